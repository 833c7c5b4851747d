"""What one argument or flag of the command is, and what a command takes of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from duihua.config import keys
from duihua.terminal.settings import Language
from duihua.terminal.values import members

__all__ = ["Body", "Flag"]


@dataclass(frozen=True, slots=True)
class Flag:
    """One argument or flag."""

    key: str  # "sampling.top_p" for a setting, a bare name for what belongs to one call
    en: str
    zh: str
    names: tuple[str, ...] = ()  # as written on the command line; () for --<the key's name>
    kind: object = None  # its type; None: the setting's own
    metavar: str | None = None
    is_argument: bool = False
    read: Callable[[str], object] | None = None  # the value that the text stands for
    is_table: bool = False  # written NAME=VALUE, any number of times; `read` is for VALUE

    @property
    def name(self) -> str:
        """The name in Python."""
        return self.key.replace(".", "_")

    def parameter(self, language: Language, *, required: bool) -> inspect.Parameter:
        """What Typer reads the flag from."""
        kind: Any = list[str] if self.is_table else self.kind or members(keys()[self.key])[0]
        text = {"en": self.en, "zh": self.zh}[language]
        if self.is_argument:
            info = typer.Argument(help=text, metavar=self.metavar, show_default=False)
        else:
            dashed = "--" + self.key.rpartition(".")[2].replace("_", "-")
            switch = f"{dashed}/--no-{dashed[2:]}" if kind is bool and "." in self.key else dashed
            info = typer.Option(*(self.names or (switch,)), help=text, metavar=self.metavar, show_default=False)
        kind = kind if required else kind | None
        default = inspect.Parameter.empty if required else None
        how = inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(self.name, how, default=default, annotation=Annotated[kind, info])


@dataclass(frozen=True, slots=True)
class Body:
    """What a command does, and the flags it takes in the order that help lists them."""

    run: Callable[..., None]  # called with `settings`, and with each flag that is no setting by its name
    flags: tuple[str, ...]
    required: tuple[str, ...] = ()
