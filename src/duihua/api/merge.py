"""A base model and a LoRA adapter become one checkpoint."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from duihua.api.compose import OnProgress, fetch_of, locate_model
from duihua.checkpoint import read
from duihua.checkpoint.adapters import check_fit, read_adapter
from duihua.checkpoint.locate import locate_adapter
from duihua.config import ModelSettings
from duihua.errors import AdapterRejected

__all__ = ["merge_adapter"]


def merge_adapter(
    settings: ModelSettings, adapter: str, out: str | os.PathLike[str], on_progress: OnProgress | None = None
) -> Path:
    """Write a checkpoint of a model with an adapter merged into its weights; the directory that was written.

    Args:
        settings: the base, as `model`; its revision, cache and permissions.
        adapter: a directory, a bundled name or a Hugging Face id.
        out: a directory that is not there yet or is empty.
        on_progress: told the stage and the fraction of it that is done.

    Raises:
        ConfigError: `out` holds something.
        AdapterRejected: the adapter is broken, or was made for another model; or the base is an adapter itself.
        ModelError: the base is not found, is broken, or is quantised.
    """
    settings = replace(settings, base=None, adapters={})
    located = locate_model(settings, on_progress)
    if located.adapter is not None:
        raise AdapterRejected(
            f"{located.adapter_name} is an adapter itself: give its base, {located.name}, or merge that adapter first"
        )
    checkpoint = read(located, trust_remote_code=settings.trust_remote_code, allow_pickle=settings.allow_pickle)
    fitting = read_adapter(locate_adapter(adapter, fetch=replace(fetch_of(settings), revision=None)))
    check_fit(fitting, checkpoint)
    from duihua.engine.transformers.merge import merge

    target = Path(os.path.expanduser(out))
    merge(checkpoint.path, fitting.path, target, on_progress)
    return target
