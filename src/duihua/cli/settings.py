"""`duihua config`: every setting, and where it was said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import typer

from duihua.cli.flags import ENGINE, MODEL, SAMPLING, TERMINAL, Body
from duihua.config import Settings, variable_of
from duihua.sampling import OUR_DEFAULTS

__all__ = ["CONFIG", "show_settings"]


def show_settings(settings: Settings) -> None:
    """Print the settings as a duihua.toml that says the same, each line with its source."""
    typer.echo(f"# {settings.file}{'' if settings.file.is_file() else ' (not there)'}")
    here = Path("duihua.toml")
    if here.is_file() and not (settings.file.is_file() and here.samefile(settings.file)):
        typer.echo("# ./duihua.toml is not read: name it with --config if you trust it")
    table = ""
    for key, value, source in settings.rows():
        if key.partition(".")[0] != table:
            table = key.partition(".")[0]
            typer.echo(f"\n[{table}]")
        typer.echo(_line(key, value, source))
    if table != "alias":
        typer.echo('\n[alias]\n# my-model = "/path/of/a/checkpoint"')


def _line(key: str, value: object, source: str | None) -> str:
    name = key.partition(".")[2]
    if key in _SECRET and value:
        return f"# {name:30} is set, and not shown  ({source})"
    if source is not None:
        return f"{_toml_key(name):30} = {_toml(value)}  # {source}"
    if key.startswith("sampling."):
        ours = getattr(OUR_DEFAULTS, name)
        last = "none" if ours is None else _toml(ours)
        return f"# {name:30} the model's own, else {last}  ({variable_of(key)})"
    shown = "not set" if value is None else _toml(value)
    return f"# {name:30} {shown}  ({variable_of(key)})"


def _toml_key(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else json.dumps(name)


def _toml(value: object) -> str:
    """A value as TOML writes it; JSON's strings, numbers and lists are TOML's too."""
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return "{ " + ", ".join(f"{json.dumps(str(key))} = {_toml(item)}" for key, item in items) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_toml(item) for item in cast("Sequence[Any]", value)) + "]"
    return json.dumps(value, ensure_ascii=False)


_SECRET: Final = ("serve.api_keys", "tools.mcp")  # keys of servers may be in the latter
CONFIG: Final = Body(show_settings, (*TERMINAL, *SAMPLING, *MODEL, *ENGINE))
