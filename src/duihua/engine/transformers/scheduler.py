"""What runs next: admit, prefill a bounded stretch of prompt, decode one token for every running sequence.

Memory is counted in slots: tokens whose keys and values there is room for, padding included. Kept prefixes
give way first; when running sequences outgrow what is left, the one whose turn is last goes back to the queue
and is computed again later, to the same tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import torch

from duihua.engine.transformers.batch import Batch, roomy
from duihua.engine.transformers.failures import is_device_lost, is_out_of_memory
from duihua.engine.transformers.keyvalues import KeyValues, Segment
from duihua.engine.transformers.lora import Lora
from duihua.engine.transformers.network import Network
from duihua.engine.transformers.outbox import Post
from duihua.engine.transformers.prefixes import Kept, Prefixes, common_prefix
from duihua.engine.transformers.queue import FairQueue
from duihua.engine.transformers.sampler import Choice, Sampler, logprobs_of
from duihua.engine.transformers.track import Track
from duihua.errors import GenerationFailed

__all__ = ["Scheduler"]

_log = logging.getLogger(__name__)
_PREFILL_TOKENS: Final = 256  # per step; bounds how long a cancel or a running sequence waits


@dataclass(frozen=True, slots=True)
class _Prefill:
    """The one sequence whose prompt is being computed."""

    track: Track
    cache: KeyValues


class Scheduler:
    """Steps all sequences of an engine; used by the worker thread only."""

    def __init__(self, network: Network, queue: FairQueue, *, max_sequences: int, kv_capacity: int) -> None:
        """Prepare; `kv_capacity` is in slots and must hold one full window."""
        self._network = network
        self._queue = queue
        self._max_sequences = max_sequences
        self._kv_capacity = kv_capacity
        self._batches: list[Batch] = []
        self._prefill: _Prefill | None = None
        self._prefixes = Prefixes()
        self._retired: list[int] = []
        self._post = Post()

    @property
    def slots(self) -> int:
        """Slots that running and kept sequences hold; never above the capacity."""
        prefill = self._prefill.cache.slots if self._prefill is not None else 0
        return sum(batch.cache.slots for batch in self._batches) + prefill + self._prefixes.slots

    @property
    def running(self) -> list[Track]:
        """Every sequence in service."""
        prefill = [self._prefill.track] if self._prefill is not None else []
        return [track for batch in self._batches for track in batch.tracks] + prefill

    def step(self) -> None:
        """Do one round; what callers are to be told is sent at its end."""
        self._drop_cancelled()
        budget = _PREFILL_TOKENS
        while budget > 0:
            self._admit()
            if self._prefill is None:
                break
            budget -= self._continue_prefill(self._prefill, budget)
        for batch in list(self._batches):
            if self._find_room(batch):
                self._guard(batch.tracks, lambda batch=batch: self._decode(batch))
        self._drop_retired()
        self._post.send()

    # Adapters

    def add_adapter(self, lora: Lora) -> int:
        """Load an adapter's weights; gives their number, which tracks name.

        Raises:
            AdapterRejected: they do not fit the model; nothing has changed.
        """
        return self._network.adapters.add(lora)

    def retire_adapter(self, number: int) -> None:
        """Free an adapter's weights, and the prefixes computed with them, once no request inside needs them."""
        self._retired.append(number)
        self._drop_retired()

    def _drop_retired(self) -> None:
        for number in [number for number in self._retired if not self._queue.holds(number)]:
            self._retired.remove(number)
            self._prefixes.forget(number)
            self._network.forget(number)

    # Admission

    def _admit(self) -> None:
        """Start on the prompt of the request whose turn it is, when there is a place and memory for it."""
        track = self._queue.first()
        if track is None or self._prefill is not None or len(self.running) >= self._max_sequences:
            return
        room = roomy(len(track.ids), track.limit)
        needed = room + sum(batch.slots_to_grow_next for batch in self._batches)
        kept, shared = self._shared_with_kept(track)
        if kept is not None and (2 * shared >= len(kept.ids) or not self._make_room(needed, but=kept)):
            # The same conversation goes on (or memory is short): its cache is continued, not copied.
            self._prefixes.take(kept)
        else:
            kept = None
        if not self._make_room(needed):
            if kept is not None:
                self._prefixes.keep(kept)
            return
        self._queue.serve(track)
        self._guard([track], lambda: self._begin(track, room, kept))

    def _begin(self, track: Track, room: int, taken: Kept | None) -> None:
        cache = taken.cache if taken is not None else self._network.new_cache(room)
        source, shared = self._source(track, taken)
        if source is not None and not cache.rigid:
            cache.rearrange([source], room)
        cache.reserve(room)
        track.note_cached(shared)
        self._prefill = _Prefill(track, cache)

    def _source(self, track: Track, taken: Kept | None) -> tuple[Segment | None, int]:
        """The longest stretch of this prompt that some cache holds, and its length."""
        if track.wants_prompt_logprobs:
            return None, 0
        kept, shared = (taken, self._usable(track, taken.ids)) if taken else self._shared_with_kept(track)
        source = None if kept is None else Segment(kept.cache, 0, 0, shared)
        for batch in self._batches:
            for other in batch.tracks:
                common = self._usable(track, other.ids[:-1])
                if other.sharing == track.sharing and common > shared and not batch.cache.rigid:
                    source, shared = batch.segment(other, common), common
        return source, shared

    def _shared_with_kept(self, track: Track) -> tuple[Kept | None, int]:
        if track.wants_prompt_logprobs:
            return None, 0
        return self._prefixes.longest(track.ids[:-1], track.sharing)

    def _usable(self, track: Track, ids: Sequence[int]) -> int:
        """Tokens of `ids` that serve this sequence; one at least must be computed."""
        return common_prefix(track.ids[:-1], ids)

    # Memory

    def _make_room(self, slots: int, *, but: Kept | None = None) -> bool:
        """Let kept prefixes go until so many slots are free; False when that does not do."""
        while self.slots + slots > self._kv_capacity:
            if not self._prefixes.drop_oldest(but=but):
                return False
        return True

    def _find_room(self, batch: Batch) -> bool:
        """Make room for one more token of each row; False when the batch itself had to give way."""
        while batch in self._batches:
            if self._make_room(batch.slots_to_grow):
                return True
            self._preempt(max(self.running, key=lambda track: track.turn))
        return False

    def _preempt(self, track: Track) -> None:
        _log.debug("request %s makes room and will be computed again", track.request.request_id)
        self._release([track])
        self._queue.put_back(track)

    def _release(self, gone: Sequence[Track]) -> None:
        """Take sequences out of service, and free their slots."""
        if self._prefill is not None and self._prefill.track in gone:
            self._prefill = None
        for batch in list(self._batches):
            staying = [track for track in batch.tracks if track not in gone]
            if not staying:
                self._batches.remove(batch)
            elif len(staying) < len(batch.tracks):
                self._guard(staying, lambda batch=batch, staying=staying: batch.keep_only(staying))

    # Steps

    def _continue_prefill(self, prefill: _Prefill, budget: int) -> int:
        """Compute more of a prompt, and the first token at its end; gives the number of tokens computed."""
        start = prefill.cache.length
        stop = min(start + budget, len(prefill.track.ids))
        self._guard([prefill.track], lambda: self._compute(prefill, start, stop))
        return stop - start

    def _compute(self, prefill: _Prefill, start: int, stop: int) -> None:
        track, every = prefill.track, prefill.track.wants_prompt_logprobs
        logits = self._network.prefill(
            track.ids[start:stop], prefill.cache, adapter=track.adapter, every_logit=every, sight=track.sight
        )
        if every:
            known = track.ids[start + 1 : stop + 1]
            alternatives = track.decoding.prompt_logprobs or 0
            track.note_prompt_logprobs(logprobs_of(logits[: len(known)], known, alternatives))
        if stop < len(track.ids):
            return
        sampler = Sampler([track], vocabulary_size=self._network.vocabulary_size, device=self._network.device)
        self._hand_out([track], sampler.choose(logits[-1:]))
        if self._prefill is prefill:
            self._prefill = None
            self._settle(track, prefill.cache)

    def _settle(self, track: Track, cache: KeyValues) -> None:
        """Let a sequence decode, beside others where it can."""
        for batch in self._batches:
            needed = batch.slots_to_join(track, cache)
            if needed is not None and self._make_room(needed + cache.slots):
                self._guard([*batch.tracks, track], lambda batch=batch: batch.join(track, cache))
                return
        self._batches.append(Batch(self._network, track, cache))

    def _decode(self, batch: Batch) -> None:
        if batch.slots_to_grow:
            batch.grow()
        self._hand_out(batch.tracks, batch.step())

    def _hand_out(self, tracks: Sequence[Track], choices: Sequence[Choice]) -> None:
        """Tell each caller its token, and end what is finished."""
        broken: list[Track] = []
        for track, choice in zip(tracks, choices, strict=True):
            if choice.token_id is None:
                broken.append(track)
            else:
                self._post.add(track.outbox, track.accept(choice.token_id, choice.logprobs))
        finished = [track for track in tracks if track.finished]
        if broken:
            self._fail(broken, "the model computed no finite numbers (NaN): try dtype float32 or bfloat16")
        if finished:
            self._end(finished)

    # Ends

    def _drop_cancelled(self) -> None:
        self._queue.drop_cancelled()
        cancelled = [track for track in self.running if track.cancelled]
        if cancelled:
            self._end(cancelled)

    def _end(self, tracks: Sequence[Track]) -> None:
        """Let sequences go and keep their prefixes."""
        for track in tracks:
            cache = self._cache_of(track)
            self._release([track])
            self._queue.leave(track)
            if cache is not None and cache.length and self._make_room(cache.slots):
                self._prefixes.keep(Kept(track.ids[: cache.length], track.sharing, cache))

    def _cache_of(self, track: Track) -> KeyValues | None:
        """A sequence's own cache: as it is when it has one to itself, else a copy."""
        if self._prefill is not None and self._prefill.track is track:
            return self._prefill.cache
        for batch in self._batches:
            if batch.tracks == [track]:
                return batch.cache
            if track in batch.tracks and self._make_room(len(track.ids)):
                cache = self._network.new_cache(len(track.ids))
                cache.rearrange([batch.segment(track)], len(track.ids))
                return cache
        return None

    def _guard(self, affected: Sequence[Track], action: Callable[[], None]) -> None:
        """Run something that may fail; the engine goes on without the affected sequences.

        Raises:
            RuntimeError: the device cannot be used any more.
        """
        affected = list(affected)
        try:
            action()
        except Exception as error:
            if is_device_lost(error):
                raise
            _log.exception("a generation failed")
            if is_out_of_memory(error):
                self._prefixes.clear()
            self._fail(affected, _explanation(error), cause=error)

    def _fail(self, tracks: Sequence[Track], why: str, *, cause: Exception | None = None) -> None:
        self._release(tracks)
        for track in tracks:
            self._queue.leave(track)
            error = GenerationFailed(why)
            error.__cause__ = cause
            self._post.add(track.outbox, error)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _explanation(error: Exception) -> str:
    if is_out_of_memory(error):
        return "memory ran out: use a smaller context window, fewer sequences at once or a smaller model"
    return f"the model failed: {type(error).__name__}: {error}"
