"""Muon for many small matrices: those of one shape take their step together."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

# Of Keller Jordan's Muon, as torch.optim.Muon has them.
_STEPS: Final = 5
_COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)
_EPS: Final = 1e-7


class Muon(torch.optim.Optimizer):
    """The steps of `torch.optim.Muon(adjust_lr_fn="match_rms_adamw")`.

    That one goes from matrix to matrix, a hundred launches each: on a GPU they took half the time of a model of six
    layers. Here matrices of one shape are stacked.

    Args:
        params: Groups of matrices, with `weight_decay` and `lr`.
        momentum: Of the running mean of the gradients.
    """

    def __init__(self, params: Iterable[dict[str, Any]], momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": 1e-3, "weight_decay": 0.1, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # noqa: ARG002  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take one step by the gradients."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = {}
            for param in group["params"]:
                if param.grad is not None:
                    alike.setdefault(param.shape, []).append(param)
            for params in alike.values():
                self._step(params, group)

    def _step(self, params: Sequence[nn.Parameter], group: dict[str, Any]) -> None:
        grads = torch.stack([param.grad for param in params if param.grad is not None])
        state = self.state[params[0]]
        if "mean" not in state:
            state["mean"] = torch.zeros_like(grads)
        mean, momentum = state["mean"], group["momentum"]
        mean.lerp_(grads, 1 - momentum)
        updates = orthogonal(grads.lerp(mean, momentum)).to(grads.dtype)
        rate = group["lr"] * 0.2 * max(params[0].shape) ** 0.5
        together = cast("Any", torch)
        together._foreach_mul_(list(params), 1 - group["lr"] * group["weight_decay"])
        together._foreach_add_(list(params), list(updates.unbind()), alpha=-rate)


def orthogonal(matrices: Tensor) -> Tensor:
    """Nearly orthogonal matrices (count, rows, columns) bfloat16 in these ones' directions, by Newton and Schulz."""
    a, b, c = _COEFFICIENTS
    tall = matrices.size(1) > matrices.size(2)
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=_EPS)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
