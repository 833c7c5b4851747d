"""`duihua adapters merge`: one checkpoint of a base model and its adapter."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Final

import typer

from duihua.cli.flags import Body
from duihua.config import Settings, interface_language, wants_color
from duihua.terminal.output import Output, screen_of
from duihua.terminal.texts import Say

__all__ = ["MERGE", "merge"]

_MERGING: Final = {"en": "merging {adapter} into {base}", "zh": "正在把 {adapter} 并入 {base}"}


def merge(settings: Settings, *, merge_base: str, merge_adapter: str, merge_out: str) -> None:
    """Write the merged checkpoint, and print its directory.

    Raises:
        ConfigError, ModelError: see `api.merge.merge_adapter`.
    """
    from duihua.terminal.loading import LoadingLine

    language = interface_language(settings.terminal.language)
    color = wants_color(settings.terminal.color, is_terminal=bool(getattr(sys.stderr, "isatty", bool)()))
    output = Output(screen_of(sys.stdout, color=False), screen_of(sys.stderr, color=color))
    text = _MERGING[language].format(adapter=merge_adapter, base=merge_base)
    with LoadingLine(output, Say(language), text) as line:
        from duihua.api.merge import merge_adapter as write_merged

        model = replace(settings.model, model=merge_base)
        out = write_merged(model, merge_adapter, merge_out, line.on_progress)
    typer.echo(out)


MERGE: Final = Body(
    merge,
    (
        "merge_base",
        "merge_adapter",
        "merge_out",
        "model.revision",
        "model.cache_dir",
        "model.trust_remote_code",
    ),
    required=("merge_base", "merge_adapter", "merge_out"),
)
