from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
import torch

from checkpoints import make_adapter, make_checkpoint


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny matrices gain nothing from a second thread, and on a busy machine threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The directory of a tiny random checkpoint of some kind, made once."""

    @cache
    def directory(kind: str) -> Path:
        return make_checkpoint(tmp_path_factory.mktemp("checkpoint") / kind, kind)

    return directory


@pytest.fixture(scope="session")
def adapters(
    checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Mapping[str, Path]]:
    """Two LoRA adapters of the checkpoint of some kind, by name."""

    @cache
    def directories(kind: str) -> Mapping[str, Path]:
        parent = tmp_path_factory.mktemp("adapters")
        names = enumerate(("first", "second"), start=1)
        return {name: make_adapter(parent / name, checkpoint(kind), seed=seed) for seed, name in names}

    return directories
