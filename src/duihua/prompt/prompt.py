"""What an engine is given, and who owns each part of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from duihua.prompt.literals import Guard

__all__ = ["FarTooLong", "Owner", "Prompt", "Span"]

Owner = int | Literal["tools", "template"]


class FarTooLong(Exception):
    """A text has more tokens than it may, by far: twice as many were counted, roughly, and the rest was not read.

    It is for whoever knows what the bound stands for; callers of a chat never see it.
    """


class Span(NamedTuple):
    """Token ids `start` up to `end` belong to one owner.

    The owner is the index of a message, the tools, or the template itself (preamble, default system,
    generation prompt).
    """

    owner: Owner
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A rendered and encoded conversation. The spans follow each other and cover every id once."""

    token_ids: tuple[int, ...]
    spans: tuple[Span, ...]
    guarded_text: str = field(repr=False, compare=False)
    guard: Guard | None = field(default=None, repr=False, compare=False)

    @cached_property
    def text(self) -> str:
        """What was encoded, control tokens written as their literals."""
        return self.guarded_text if self.guard is None else self.guard.restore(self.guarded_text)

    def text_after(self, literal: str) -> str:
        """What was encoded after the template's last control token of this literal."""
        rest = self.guarded_text.rpartition(literal)[2]
        return rest if self.guard is None else self.guard.restore(rest)

    def tokens_of(self, owner: Owner) -> int:
        """Token ids that belong to one owner."""
        return sum(span.end - span.start for span in self.spans if span.owner == owner)
