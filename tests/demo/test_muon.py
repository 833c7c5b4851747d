"""Our Muon steps as torch's does."""

from __future__ import annotations

from typing import Any, cast

import torch
from demo.muon import Muon
from torch import nn


def test_matrices_together_step_as_torch_steps_them_one_by_one() -> None:
    torch.manual_seed(3)
    shapes = ((24, 8), (8, 24), (24, 8), (16, 16))
    ours = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [nn.Parameter(param.detach().clone()) for param in ours]
    group = {"lr": 0.02, "weight_decay": 0.1}
    muon = Muon([{"params": ours, **group}])
    other = cast("Any", torch.optim).Muon([{"params": theirs, **group}], adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        muon.step()
        other.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=2e-3)


def test_a_matrix_without_a_gradient_stays() -> None:
    moved, still = nn.Parameter(torch.ones(4, 4)), nn.Parameter(torch.ones(4, 4))
    moved.grad = torch.randn(4, 4)
    Muon([{"params": [moved, still], "lr": 0.1, "weight_decay": 0.1}]).step()
    assert torch.equal(still, torch.ones(4, 4))
    assert not torch.equal(moved, torch.ones(4, 4))
