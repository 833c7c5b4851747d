"""A conversation in its exchanges: user turns, each with all that answered it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import NamedTuple

from duihua.messages import Message
from duihua.prompt.memo import have_pictures, known

__all__ = ["Exchange", "Parted"]


class Exchange(NamedTuple):
    """Messages that go together."""

    start: int  # index of its first message among the caller's
    messages: tuple[Message, ...]

    @property
    def is_pinned(self) -> bool:
        """Whether it always stays."""
        return any(message.pinned for message in self.messages)


class Parted:
    """A conversation in its parts; there is at least one exchange, and the last is the one to answer.

    A later system message belongs to the user turn right after it, or else to the exchange it stands in.

    Attributes:
        lead: leading system messages.
        exchange_count: how many exchanges follow them.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = tuple(messages)
        lead = next((i for i, message in enumerate(messages) if message.role != "system"), len(messages))
        self.lead = self.messages[:lead]
        self.exchange_count = [message.role for message in messages].count("user")

    @cached_property
    def exchanges(self) -> list[Exchange]:
        """The exchanges, in order; worked out only where something may have to go."""
        messages, lead = self.messages, len(self.lead)
        starts: list[int] = []
        for index in range(lead, len(messages)):
            if messages[index].role == "user":
                start = index
                while start > lead and messages[start - 1].role == "system":
                    start -= 1
                starts.append(start)
        starts[:1] = [lead]  # an answer before any question goes with the first exchange
        ends = [*starts[1:], len(messages)]
        return [Exchange(start, messages[start:end]) for start, end in zip(starts, ends, strict=True)]

    def known(self, exchange: Exchange) -> tuple[Hashable, ...]:
        """What caches know one of the exchanges by."""
        return known(exchange.messages) if self._has_pictures else exchange.messages

    @cached_property
    def _has_pictures(self) -> bool:
        return have_pictures(self.messages)

    @property
    def image_count(self) -> int:
        """Pictures of all messages."""
        return sum(len(message.images) for message in self.messages) if self._has_pictures else 0

    @cached_property
    def pinned(self) -> frozenset[int]:
        """Indices of the messages of pinned exchanges."""
        pinned = (exchange for exchange in self.exchanges if exchange.is_pinned)
        return frozenset(index for start, messages in pinned for index in range(start, start + len(messages)))

    def kept(self, first: int) -> tuple[int, ...]:
        """Indices of the leading messages, of pinned exchanges, and of the exchanges from `first` on."""
        if first == 0:
            return tuple(range(len(self.messages)))
        pinned = (exchange for exchange in self.exchanges[:first] if exchange.is_pinned)
        earlier = [i for start, messages in pinned for i in range(start, start + len(messages))]
        return (*range(len(self.lead)), *earlier, *range(self.exchanges[first].start, len(self.messages)))
