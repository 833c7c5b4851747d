"""Keys and values of sequences that ended, kept for the next turn of the same conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from duihua.engine.transformers.keyvalues import KeyValues

__all__ = ["Kept", "Prefixes", "Sharing", "common_prefix"]

Sharing = tuple[str, int]  # cache salt and adapter number of those that may use a prefix


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """One sequence that ended."""

    ids: list[int]
    sharing: Sharing
    cache: KeyValues  # one row, its tokens those of `ids`


class Prefixes:
    """What is kept, least recently used first."""

    def __init__(self) -> None:
        self._kept: list[Kept] = []

    @property
    def slots(self) -> int:
        """Tokens of memory held by all of them."""
        return sum(kept.cache.slots for kept in self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, kept: Kept) -> None:
        """Add a sequence; those it continues are dropped."""
        self._kept = [old for old in self._kept if old.sharing != kept.sharing or kept.ids[: len(old.ids)] != old.ids]
        self._kept.append(kept)

    def longest(self, ids: Sequence[int], sharing: Sharing) -> tuple[Kept | None, int]:
        """Find the one that shares most with these ids; it becomes the most recently used.

        Returns:
            The kept sequence and the number of its tokens that serve, or None and 0.
        """
        best, most = None, 0
        for kept in self._kept:
            if kept.sharing == sharing:
                shared = common_prefix(kept.ids, ids)
                if shared > most and (shared == len(kept.ids) or not kept.cache.rigid):
                    best, most = kept, shared
        if best is not None:
            self._kept.remove(best)
            self._kept.append(best)
        return best, most

    def take(self, kept: Kept) -> None:
        """Give this one up to whoever found it."""
        self._kept.remove(kept)

    def drop_oldest(self, *, but: Kept | None = None) -> bool:
        """Forget the least recently used; False when there is none left."""
        for kept in self._kept:
            if kept is not but:
                self._kept.remove(kept)
                return True
        return False

    def forget(self, adapter: int) -> None:
        """Drop those of an adapter that is gone."""
        self._kept = [kept for kept in self._kept if kept.sharing[1] != adapter]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """Length of what two sequences of the same type have in common at their start."""
    low, high = 0, min(len(left), len(right))
    if left[:high] == right[:high]:
        return high
    while high - low > 1:  # equal up to low, different somewhere below high
        middle = (low + high) // 2
        low, high = (middle, high) if left[low:middle] == right[low:middle] else (low, middle)
    return low
