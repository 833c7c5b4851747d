"""Sequences that decode together: one row each, padded on the left, all under the same adapter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch

from duihua.engine.transformers.keyvalues import KeyValues, Segment
from duihua.engine.transformers.network import Network
from duihua.engine.transformers.sampler import Choice, Sampler
from duihua.engine.transformers.track import Track

__all__ = ["Batch", "roomy"]

_GROWTH: Final = 128  # columns by which room grows: a copy of the batch every so many tokens
_FREE_WIDTH: Final = 512  # columns up to which padding does not matter


def roomy(columns: int, limit: int) -> int:
    """Room for so many columns and some more, not above what will ever be used."""
    return min(limit, (columns // _GROWTH + 1) * _GROWTH)


class Batch:
    """Rows of one cache.

    Attributes:
        tracks: the sequence of each row.
        adapter: the number of the weights they are computed with.
        cache: their keys and values; a row's tokens are its last columns.
    """

    def __init__(self, network: Network, track: Track, cache: KeyValues) -> None:
        """Begin with one sequence and its own cache."""
        self._network = network
        self.tracks: list[Track] = [track]
        self.adapter = track.adapter
        self.cache = cache
        self._refresh()

    @property
    def slots_to_grow(self) -> int:
        """More slots needed before the next step; 0 while there is room."""
        return 0 if self.cache.length < self.cache.room else self.slots_to_grow_next

    @property
    def slots_to_grow_next(self) -> int:
        """More slots needed when the present room is used up; 0 when it is never exceeded."""
        room = roomy(self.cache.room, _limit(self.tracks, self.cache.length))
        return max(0, len(self.tracks) * room - self.cache.slots)

    def slots_to_join(self, track: Track, cache: KeyValues) -> int | None:
        """More slots needed to stack another sequence's cache; None where that cannot be or is mostly padding."""
        if cache.rigid or self.cache.rigid or track.adapter != self.adapter:
            return None
        rows, width = len(self.tracks) + 1, max(self.cache.length, cache.length)
        tokens = cache.length + sum(len(track.ids) - 1 for track in self.tracks)
        if width > _FREE_WIDTH and rows * width > 2 * tokens:
            return None
        return rows * _room([*self.tracks, track], width) - self.cache.slots - cache.slots

    def grow(self) -> None:
        """Make room for more columns."""
        self.cache.reserve(roomy(self.cache.room, _limit(self.tracks, self.cache.length)))
        self._refresh_mask()

    def join(self, track: Track, cache: KeyValues) -> None:
        """Add a sequence; its own cache is not needed any more."""
        segments = [self.segment(other) for other in self.tracks]
        segments.append(Segment(cache, 0, 0, cache.length))
        self.tracks.append(track)
        self.cache.rearrange(segments, _room(self.tracks, max(self.cache.length, cache.length)))
        self._refresh()

    def keep_only(self, tracks: Sequence[Track]) -> None:
        """Let the other rows go; at least one must stay."""
        segments = [self.segment(track) for track in tracks]
        self.tracks = list(tracks)
        width = max(segment.stop - segment.start for segment in segments)
        self.cache.rearrange(segments, _room(tracks, width))
        self._refresh()

    def segment(self, track: Track, token_count: int | None = None) -> Segment:
        """Where a sequence's tokens are, or its first so many."""
        start = self.cache.length - (len(track.ids) - 1)
        stop = self.cache.length if token_count is None else start + token_count
        return Segment(self.cache, self.tracks.index(track), start, stop)

    def step(self) -> list[Choice]:
        """Compute and choose the next token of every row; needs room for one column."""
        last = [track.ids[-1] for track in self.tracks]
        positions = [len(track.ids) - 1 + track.shift for track in self.tracks]
        mask = None if self._mask is None else self._mask[:, : self.cache.length + 1]
        return self._sampler.choose(self._network.decode(last, positions, self.cache, mask, self.adapter))

    def _refresh(self) -> None:
        rows: Sequence[Track] = tuple(self.tracks)
        self._sampler = Sampler(rows, vocabulary_size=self._network.vocabulary_size, device=self._network.device)
        self._refresh_mask()

    def _refresh_mask(self) -> None:
        padding = [self.cache.length - (len(track.ids) - 1) for track in self.tracks]
        self._mask: torch.Tensor | None = None
        if any(padding):
            columns = torch.arange(self.cache.room, device=self._network.device)
            self._mask = (columns >= torch.tensor(padding, device=self._network.device)[:, None]).long()


def _room(tracks: Sequence[Track], width: int) -> int:
    return roomy(width, _limit(tracks, width))


def _limit(tracks: Sequence[Track], width: int) -> int:
    """Columns ever used by these rows: the widest, and what the row with most before it may still add."""
    return width + max(track.limit - len(track.ids) for track in tracks)
