from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import duihua
from checkpoint.adapter_layouts import make_pirate


@pytest.fixture(scope="session")
def demo() -> Iterator[duihua.Model]:
    """The bundled model, loaded once."""
    with duihua.load("demo", dtype="float32") as model:
        yield model


@pytest.fixture(scope="session")
def pirate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random adapter on the bundled model, strong enough to change what it says."""
    return make_pirate(tmp_path_factory.mktemp("adapters") / "pirate")


@pytest.fixture(scope="session")
def crew(pirate: Path) -> Iterator[duihua.Model]:
    """The adapter, loaded as the model."""
    with duihua.load(str(pirate), dtype="float32") as model:
        yield model
