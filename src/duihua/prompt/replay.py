"""Where a conversation is cut so that it fits, decided the same way every time.

A cut that moved with every turn would change every prompt's prefix, and the engine would compute it anew. So
the cut is made deep and rarely: when what is kept passes the high mark, the oldest exchanges go until it is
under the low one. Where the cut stands now follows from where it stood before; that history is not stored but
replayed from the conversation itself, from its start, at each point where an answer was generated. Later
messages cannot change an earlier point, so appending never moves the cut back.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

__all__ = ["HIGH_PERCENT", "LOW_PERCENT", "Bounds", "GenerationPoint", "cuts", "first_kept"]

HIGH_PERCENT: Final = 90
LOW_PERCENT: Final = 60


class GenerationPoint(NamedTuple):
    """A place where a prompt ended and an answer began (a tuple, as thousands are made at each turn)."""

    exchange: int  # index of the exchange that was being answered
    before_tokens: int  # settled tokens of that exchange's messages before this point
    live_tokens: int = 0  # the same as they read while the exchange is being answered, thinking included
    before_images: int = 0  # pictures in that exchange's messages before this point


class Bounds(NamedTuple):
    """What a prompt may hold of exchanges, and the marks of the cut."""

    room: int  # tokens
    max_exchanges: int | None = None  # the one being answered included; at least 1
    max_images: int | None = None  # pictures, those of the exchange being answered included
    high: int = HIGH_PERCENT  # of `room`, above which the kept tokens are cut
    low: int = LOW_PERCENT  # of `room`, `max_exchanges` and `max_images` (rounded up) that is cut to


def first_kept(
    costs: Sequence[int], points: Sequence[GenerationPoint], bounds: Bounds, images: Sequence[int] = ()
) -> int:
    """Index of the first exchange that the prompt of the last point keeps; 0 without points. See `cuts`."""
    positions = cuts(costs, points, bounds, images)
    return positions[-1] if positions else 0


def cuts(
    costs: Sequence[int], points: Sequence[GenerationPoint], bounds: Bounds, images: Sequence[int] = ()
) -> list[int]:
    """Index of the first exchange kept at each point; it never falls, nor depends on what comes later.

    A point keeps whole exchanges before its own, and its own always. Three rules may cut; where several do at one
    point, the deepest cut holds. Live tokens count against the whole of the room only. Whether the point's own
    exchange fits alone is for the caller to see.

    Args:
        costs: settled tokens of each exchange, from 0; those of points' earlier exchanges are read.
        points: in the order of the conversation.
        bounds: of every prompt.
        images: pictures of each exchange, as `costs`; empty where there are none.
    """
    room, max_exchanges, max_images, high, low = bounds
    ends = list(accumulate(costs, initial=0))  # ends[i]: tokens of all exchanges before i
    most, target = high * room // 100, low * room // 100
    rested = max(1, -(-low * (max_exchanges or 0) // 100))
    seen = list(accumulate(images or [0] * len(costs), initial=0))
    few = -(-low * (max_images or 0) // 100)
    cut = 0
    found: list[int] = []
    for exchange, before_tokens, live_tokens, before_images in points:
        total = ends[exchange] + before_tokens
        before = cut
        if total - ends[before] > most:
            cut = bisect_left(ends, total - target, before, exchange)
        if max_exchanges is not None and exchange - before >= max_exchanges:
            cut = max(cut, exchange + 1 - rested)
        if max_images is not None and (shown := seen[exchange] + before_images) - seen[before] > max_images:
            cut = max(cut, bisect_left(seen, shown - few, before, exchange))
        if live_tokens > before_tokens and ends[exchange] - ends[cut] + live_tokens > room:
            cut = bisect_left(ends, ends[exchange] + live_tokens - room, cut, exchange)
        found.append(cut)
    return found
