"""What was worked out once, kept within bounds of memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from operator import attrgetter
from typing import Final, Generic, TypeVar

from duihua.messages import Message

__all__ = ["Memo", "characters_of", "have_pictures", "known"]

_K = TypeVar("_K")
_V = TypeVar("_V")
_IMAGES: Final = attrgetter("images")
_SHARE: Final = 16  # what takes more than this part of all is not kept


class Memo(dict[_K, _V], Generic[_K, _V]):
    """Values by what they were worked out from; where that gets too much, all of it is forgotten.

    Args:
        count: most values.
        characters: most characters that keys and values hold together.
    """

    def __init__(self, count: int, characters: int = 2**24) -> None:
        super().__init__()
        self._count = count
        self._characters = characters
        self._held = 0

    def keep(self, key: _K, value: _V, characters: int = 0) -> None:
        """Keep a value that was not there, of so many characters; one that is very long is not kept."""
        if characters * _SHARE > self._characters:
            return
        if len(self) >= self._count or self._held + characters > self._characters:
            self.clear()
            self._held = 0
        self._held += characters
        self[key] = value


def characters_of(message: Message) -> int:
    """Characters of all that a message says."""
    calls = sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
    return len(message.content) + len(message.reasoning) + calls


def have_pictures(messages: Iterable[Message]) -> bool:
    """Whether any of these messages holds a picture; asked at every turn, so without a step of Python for each."""
    return any(map(_IMAGES, messages))


def known(messages: Sequence[Message]) -> tuple[Hashable, ...]:
    """What caches know these messages by: themselves, where they hold no pictures."""
    return tuple(message.known_by for message in messages) if have_pictures(messages) else tuple(messages)
