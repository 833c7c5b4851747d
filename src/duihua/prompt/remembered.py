"""The last prompt of each conversation, for the next one of it to build on.

A server has many conversations at once, and each must find its own again. Conversations are told apart by how they
open: the system messages and the first message after them. Several may open alike, so a few are kept of each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Final

from duihua.messages import Message
from duihua.prompt.built import Built, shared_messages

__all__ = ["RememberedPrompts"]

_ALIKE: Final = 8  # conversations kept of those that open alike
_CHARACTERS: Final = 2**23  # of all prompts that are kept, together

_Opening = tuple[Hashable, tuple[Message, ...]]


class RememberedPrompts:
    """Prompts by the conversation they belong to; those used longest ago go first.

    Args:
        characters: that the texts of all prompts kept have at most.
    """

    def __init__(self, characters: int = _CHARACTERS) -> None:
        self._most = characters
        self._held = 0
        self._by_opening: OrderedDict[_Opening, list[Built]] = OrderedDict()

    def __len__(self) -> int:
        """How many prompts are kept."""
        return sum(map(len, self._by_opening.values()))

    def nearest(self, key: Hashable, messages: Sequence[Message]) -> Built | None:
        """The prompt that shares most messages with these, of those made under this key; None where none shares any."""
        alike = self._by_opening.get(_opening(key, messages), ())
        return max(alike, key=lambda built: shared_messages(built.messages, messages), default=None)

    def keep(self, built: Built) -> None:
        """Keep a prompt in the place of the one that it goes on with, if there is one."""
        opening = _opening(built.key, built.messages)
        alike = self._by_opening.setdefault(opening, [])
        self._by_opening.move_to_end(opening)
        earlier = next((old for old in alike if _goes_on_with(old, built)), None)
        if earlier is None and len(alike) == _ALIKE:
            earlier = alike[0]
        if earlier is not None:
            alike.remove(earlier)
            self._held -= len(earlier.layout.text)
        alike.append(built)
        self._held += len(built.layout.text)
        while self._held > self._most:
            _, gone = self._by_opening.popitem(last=False)
            self._held -= sum(len(each.layout.text) for each in gone)


def _opening(key: Hashable, messages: Sequence[Message]) -> _Opening:
    end = next((i for i, message in enumerate(messages) if message.role != "system"), len(messages))
    return key, tuple(messages[: end + 1])


def _goes_on_with(old: Built, built: Built) -> bool:
    return shared_messages(old.messages, built.messages) == len(old.messages)
