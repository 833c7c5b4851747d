"""The engines a user can name, and how to load each without importing it before it is named."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from typing import Final, Protocol, cast

from duihua.engine.protocol import Engine
from duihua.engine.settings import EngineSettings, OnProgress
from duihua.errors import ConfigError, UnsupportedModel

__all__ = ["ENGINES", "Loader", "broken_library", "engine_loader"]

ENGINES: Final = {
    "transformers": "duihua.engine.transformers.engine:load",
    "vllm": "duihua.engine.vllm.engine:load",
}


class Loader(Protocol):
    """Starts an engine on a checkpoint directory; blocks, so call it in a thread."""

    def __call__(self, path: Path, settings: EngineSettings, on_progress: OnProgress | None = None) -> Engine:
        """Load the weights and start.

        Raises:
            ConfigError: settings that this model or machine cannot follow.
            ModelLoadFailed: files are missing or broken, or memory ran out.
            UnsupportedModel: an architecture or format that is not run, or whose package is missing.
        """
        ...


def engine_loader(name: str) -> Loader:
    """Find the loader of the engine of that name; this imports the engine.

    Raises:
        ConfigError: no engine has that name.
        UnsupportedModel: a library below it does not load.
    """
    if name not in ENGINES:
        near = difflib.get_close_matches(name, ENGINES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(sorted(ENGINES))}"
        raise ConfigError(f"no engine is called {name!r}: {hint}")
    module, _, attribute = ENGINES[name].partition(":")
    try:
        return cast("Loader", getattr(importlib.import_module(module), attribute))
    except (ImportError, RuntimeError, OSError) as error:
        raise broken_library(name, error) from error


def broken_library(engine: str, error: BaseException) -> UnsupportedModel:
    """The error for an engine whose libraries do not load; the first cause says what is wrong with them."""
    cause = error
    while (below := cause.__cause__ or cause.__context__) is not None:
        cause = below
    why = next(iter(str(cause).splitlines()), "") or type(cause).__name__
    cure = "`duihua doctor` says what is installed and what is wrong with it"
    if "torchvision" in why:  # built for another torch, as PyPI's is beside a CPU torch
        cure = (
            "pip uninstall torchvision torchaudio torchcodec, which were built for another torch; models that "
            "see need, on vLLM, the torchvision made for this one"
        )
    return UnsupportedModel(f"the {engine} engine cannot be loaded ({why}): {cure}")
