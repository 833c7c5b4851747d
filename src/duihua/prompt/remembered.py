"""The last prompt of each conversation, for the next one of it to build on.

A server has many conversations at once, and each must find its own again. Conversations are told apart by how they
open: the system messages and the first message after them. Several may open alike, so a few are kept of each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Final

from duihua.prompt.built import Built, shared_messages

__all__ = ["RememberedPrompts"]

_ALIKE: Final = 8  # conversations kept of those that open alike
_CHARACTERS: Final = 2**23  # of all prompts that are kept, together


class RememberedPrompts:
    """Prompts by the opening of the conversation they belong to; those used longest ago go first.

    Args:
        characters: that the texts of all prompts kept have at most.
    """

    def __init__(self, characters: int = _CHARACTERS) -> None:
        self._most = characters
        self._held = 0
        self._by_opening: OrderedDict[Hashable, list[Built]] = OrderedDict()

    def __len__(self) -> int:
        """How many prompts are kept."""
        return sum(map(len, self._by_opening.values()))

    def nearest(self, opening: Hashable, messages: Sequence[Hashable]) -> Built | None:
        """The prompt of this opening that shares most messages with these; None where there is none."""
        alike = self._by_opening.get(opening, ())
        return max(alike, key=lambda built: shared_messages(built.messages, messages), default=None)

    def keep(self, opening: Hashable, built: Built) -> None:
        """Keep a prompt in the place of the one that it goes on with, if there is one."""
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


def _goes_on_with(old: Built, built: Built) -> bool:
    return shared_messages(old.messages, built.messages) == len(old.messages)
