"""The seam between an answer and a tool-call format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from duihua.parsing.calls import Calls

__all__ = ["CallReader", "Script", "Tag", "ToolFormat"]


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, written as its own token where the vocabulary has one, else in letters."""

    literal: str


Script = tuple[str | Tag, ...]
"""What is written word for word: plain text and tags."""


class CallReader(Protocol):
    """Reads one answer in one format, and tells `Calls` what it finds.

    Text may come cut anywhere: what is told must not hang on that.
    """

    @property
    def expected(self) -> tuple[str, ...]:
        """The tags that mean something here. They change at a tag, or where a call turns out to be none."""
        ...

    def text(self, text: str) -> None:
        """More text, never empty."""
        ...

    def tag(self, tag: str, shown: str) -> None:
        """A tag of the format, and how it reads as text: nothing where special tokens are not shown."""
        ...

    def end(self, *, is_whole: bool) -> None:
        """The answer ended: by itself, or cut short."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFormat:
    """One way in which models write calls.

    Every reader takes a JSON object where a call's arguments stand, whatever the format's own way of writing them, so
    arguments can be forced with a JSON schema in any format.
    """

    name: str
    marks: tuple[tuple[str, ...], ...]  # a chat template of this format has every one of some group of them
    tags: tuple[str, ...]  # where one is a token of the vocabulary, only that token counts; else its letters do
    reader: Callable[[Calls], CallReader]
    before_name: Script  # a forced call, up to its name
    before_arguments: Script  # between name and arguments
    closing: Script  # after the arguments
    opener: str | None = None  # the tag that opens every call, where there is one: as a token it counts in thinking too
    lead: str = ""  # text that an answer is read as if it followed
    source: str  # where the facts above are from

    def opening(self, name: str | None) -> Script:
        """What opens a forced call: up to its arguments, or up to its name where the model is to choose that."""
        return self.before_name if name is None else (*self.before_name, name, *self.before_arguments)

    def is_of(self, chat_template: str) -> bool:
        """Whether a chat template writes calls like this."""
        return any(all(mark in chat_template for mark in marks) for marks in self.marks)
