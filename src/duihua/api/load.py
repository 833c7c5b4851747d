"""`duihua.load`: from a name to a model in Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, Unpack

from duihua.api.compose import OnProgress, open_chat
from duihua.api.loop import Loop
from duihua.api.model import Model
from duihua.config import ModelSettings
from duihua.engine.settings import EngineSettings

__all__ = ["load"]


class _LoadOptions(TypedDict, total=False):
    engine: str
    device: str
    dtype: str
    context_window: int | None
    tokenizer: str | None
    revision: str | None
    cache_dir: str | None
    trust_remote_code: bool
    allow_pickle: bool
    aliases: Mapping[str, str]
    base: str | None
    adapters: Mapping[str, str]


def load(
    model: str | None = None,
    *,
    engine_settings: EngineSettings = EngineSettings(),
    on_progress: OnProgress | None = None,
    **options: Unpack[_LoadOptions],
) -> Model:
    """Load a model: a directory, an alias, a bundled name or a hub id; None is the bundled demo.

    Args:
        engine_settings: how it is run: `duihua.EngineSettings(tensor_parallel_size=2)`.
        on_progress: told the stage and the fraction of it that is done.
        options: engine, device ("cpu", "cuda:0", "mps"), dtype, context_window (tokens), tokenizer (a directory),
            revision, cache_dir, trust_remote_code, allow_pickle, aliases, adapters (LoRA: a name for each directory),
            base (where the model is an adapter, instead of the one that it records).

    Raises:
        ConfigError, ModelError: see `open_chat`.
    """
    loop = Loop()
    try:
        chat = loop.run(open_chat(ModelSettings(model=model, **options), engine_settings, on_progress=on_progress))
    except BaseException:
        loop.close()
        raise
    return Model(chat, loop)
