"""What an engine is given, and who owns each part of it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Literal, NamedTuple

from duihua.prompt.literals import Guard
from duihua.request import PlacedImage

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
    """A rendered and encoded conversation. The spans follow each other and cover every id once.

    A picture stands in `token_ids` as a few ids, and is more tokens for the model: `length`, `tokens_of` and
    `tokens_in` count what the model reads.
    """

    token_ids: tuple[int, ...]
    spans: tuple[Span, ...]
    images: tuple[PlacedImage, ...] = ()  # in the order of their places
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

    @property
    def length(self) -> int:
        """Tokens of the prompt as the model reads it, with every picture's own."""
        return len(self.token_ids) + self._surplus[1][-1]

    @property
    def read_ids(self) -> tuple[int, ...]:
        """The ids as the model reads them, `length` of them: a placeholder's middle id fills its picture's place."""
        if not self.images:
            return self.token_ids
        ids: list[int] = []
        end = 0
        for placed in self.images:
            middle = (placed.start + placed.stop) // 2
            more = placed.tokens - (placed.stop - placed.start)
            ids += (*self.token_ids[end:middle], *(self.token_ids[middle],) * more)
            end = middle
        return (*ids, *self.token_ids[end:])

    def tokens_of(self, owner: Owner) -> int:
        """Tokens that belong to one owner, those of its pictures included."""
        return sum(self.tokens_in(span) for span in self.spans if span.owner == owner)

    def tokens_in(self, span: Span) -> int:
        """Tokens of a span, those of its pictures included."""
        tokens = span.end - span.start
        if self.images:
            starts, surplus = self._surplus
            tokens += surplus[bisect_left(starts, span.end)] - surplus[bisect_left(starts, span.start)]
        return tokens

    @cached_property
    def _surplus(self) -> tuple[list[int], list[int]]:
        """Where each picture's ids begin, and how many tokens more than ids the first so many pictures have."""
        starts = [placed.start for placed in self.images]
        more = (placed.tokens - (placed.stop - placed.start) for placed in self.images)
        return starts, list(accumulate(more, initial=0))
