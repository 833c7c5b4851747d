"""What every test runs under."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before torch is imported: its threads spin, and on a busy machine two of them are slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_HERE = Path(__file__).parent
_LOGGERS = tuple(logging.getLogger(name) for name in ("duihua", "duihua.tools.toolbox", "uvicorn"))
_LONG = (_HERE / "engine" / "vllm", _HERE / "e2e")  # vLLM, servers, terminals, browsers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones come first: where several workers share the files, none is left with them in the end."""
    items.sort(key=lambda item: not any(item.path.is_relative_to(folder) for folder in _LONG))


@pytest.fixture(autouse=True)
def loggers_as_they_were() -> Iterator[None]:
    """A server that a test starts sets up the log, and no other test is to depend on that."""
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in _LOGGERS]
    yield
    for logger, (handlers, level, propagate) in zip(_LOGGERS, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)
