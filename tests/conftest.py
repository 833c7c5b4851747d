"""What every test runs under."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before torch is imported: its threads spin, and on a busy machine two of them are slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_HERE = Path(__file__).parent
_STARTING = (_HERE / "e2e", _HERE / "engine" / "vllm")  # servers, terminals, browsers, vLLM


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where there are several workers, one has all tests that start servers and engines; files of the rest stay whole.

    The long ones come first, so that no worker is left with them in the end.
    """
    items.sort(key=lambda item: not _is_starting(item.path))
    for item in items:
        item.add_marker(pytest.mark.xdist_group("starting" if _is_starting(item.path) else str(item.path)))


def _is_starting(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _STARTING)
