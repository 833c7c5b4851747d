"""From logits to the next token of each row, by each row's own `Decoding`.

The order is vLLM's: bias and forbidden stops, penalties, what a grammar forbids, temperature, min_p, top_k, top_p
(`Sampler.forward` in its vllm/v1/sample/sampler.py). Chance is one uniform number per token from the request's own
generator, mapped through the cumulated probabilities, likeliest first: so the same seed gives the same answer
alone and in a batch.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import neg
from typing import Final, Protocol

import torch

from duihua.engine.transformers.grammars import Matcher
from duihua.events import TokenLogprobs
from duihua.sampling import Decoding

__all__ = ["Choice", "Draw", "Sampler", "logprobs_of", "unpacked"]

_COLDEST: Final = 1e-5  # a temperature below it is greedy, as in vLLM (_SAMPLING_EPS of its sampling_params.py)
_CANDIDATES: Final = (128, 4096)  # likeliest tokens looked at first; all are sorted only when these do not do


class Draw(Protocol):
    """What is read of a sequence to choose its next token."""

    @property
    def decoding(self) -> Decoding:
        """How to choose."""
        ...

    @property
    def prompt_ids(self) -> Sequence[int]:
        """The prompt."""
        ...

    @property
    def answer_ids(self) -> Sequence[int]:
        """What was chosen so far."""
        ...

    @property
    def answer_count(self) -> int:
        """How many were chosen so far."""
        ...

    @property
    def matcher(self) -> Matcher | None:
        """Where it stands in its grammar, if it has one."""
        ...

    @property
    def uniform(self) -> Callable[[], float]:
        """The sequence's own source of chance, in [0, 1)."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """The next token of one row."""

    token_id: int | None  # None: the model gave no finite numbers, or the grammar takes no token
    logprobs: TokenLogprobs | None = None


class Sampler:
    """Chooses for a fixed set of rows; make another when rows join or leave. Nothing unasked is computed."""

    def __init__(self, rows: Sequence[Draw], *, vocabulary_size: int, device: torch.device) -> None:
        """Prepare for rows in this order."""
        self._rows = rows
        self._vocabulary_size = vocabulary_size
        self._device = device
        self._sampled = [i for i, row in enumerate(rows) if row.decoding.temperature >= _COLDEST]
        self._bias = self._bias_entries()
        self._penalties = _Penalties.of(rows, vocabulary_size, device)
        self._held = [(i, row, row.matcher) for i, row in enumerate(rows) if row.matcher is not None]
        self._bits = torch.empty(len(self._held), -(-vocabulary_size // 32), dtype=torch.int32)

    def choose(self, logits: torch.Tensor) -> list[Choice]:
        """Choose one token per row.

        Args:
            logits: (rows, vocabulary), any float dtype; not changed.
        """
        raw = logits.float()
        shaped = self._shape(raw)
        if self._held:
            shaped = self._kept_to_grammars(shaped, is_own=shaped is not raw)
        best, greedy = shaped.max(dim=-1)
        chosen = greedy.tolist()
        if self._sampled:
            for row, token in zip(self._sampled, self._draw(shaped, best), strict=True):
                chosen[row] = token
        if self._penalties is not None:
            self._penalties.count(torch.tensor(chosen, device=self._device))
        numbers = [math.isfinite(value) for value in best.tolist()]
        return [
            self._choice(index, token, raw) if is_number else Choice(None)
            for index, (token, is_number) in enumerate(zip(chosen, numbers, strict=True))
        ]

    def _choice(self, index: int, token: int, raw: torch.Tensor) -> Choice:
        alternatives = self._rows[index].decoding.logprobs
        if alternatives is None:
            return Choice(token)
        return Choice(token, logprobs_of(raw[index : index + 1], [token], alternatives)[0])

    def _shape(self, logits: torch.Tensor) -> torch.Tensor:
        """Apply bias, forbidden stops and penalties: what changes even the greedy choice."""
        forbidden = self._forbidden_stops()
        if self._bias is None and not forbidden[0] and self._penalties is None:
            return logits
        logits = logits.clone()
        if self._bias is not None:
            rows, tokens, values = self._bias
            logits.index_put_((rows, tokens), values, accumulate=True)
        if forbidden[0]:
            logits[forbidden] = -torch.inf
        return logits if self._penalties is None else self._penalties.apply(logits)

    def _kept_to_grammars(self, logits: torch.Tensor, *, is_own: bool) -> torch.Tensor:
        """Take out what the grammars of their rows forbid; a row without any token left is all -inf."""
        for place, (_, row, matcher) in enumerate(self._held):
            matcher.fill(self._bits, place, may_end=row.answer_count >= row.decoding.min_tokens)
        allowed = unpacked(self._bits.to(self._device), self._vocabulary_size)
        if len(self._held) == len(self._rows):
            return logits.masked_fill_(~allowed, -torch.inf) if is_own else logits.masked_fill(~allowed, -torch.inf)
        logits = logits if is_own else logits.clone()
        rows = torch.tensor([index for index, _, _ in self._held], device=self._device)
        logits[rows] = logits[rows].masked_fill_(~allowed, -torch.inf)
        return logits

    def _draw(self, shaped: torch.Tensor, best: torch.Tensor) -> list[int]:
        """One token for each sampled row, by its chance."""
        rows = [self._rows[i] for i in self._sampled]
        if len(rows) < len(self._rows):
            shaped, best = shaped[self._sampled], best[self._sampled]
        temperatures = torch.tensor([row.decoding.temperature for row in rows], device=self._device)[:, None]
        # Relative to the likeliest token, whose mass is 1: so the smallest temperatures do not overflow.
        masses = ((shaped - best[:, None]) / temperatures).exp()
        totals: list[float] = masses.sum(-1).tolist()
        chances = [row.uniform() for row in rows]
        tokens: dict[int, int] = {}
        for candidates in (*_CANDIDATES, self._vocabulary_size):
            missing = [i for i in range(len(rows)) if i not in tokens]
            if not missing:
                break
            some = masses if len(missing) == len(rows) else masses[missing]
            top, ids = some.topk(min(candidates, self._vocabulary_size), dim=-1)
            for i, row_top, row_ids in zip(missing, top.tolist(), ids.tolist(), strict=True):
                total = None if len(row_top) == self._vocabulary_size else totals[i]
                place = _place(row_top, total, rows[i].decoding, chances[i])
                if place is not None:
                    tokens[i] = row_ids[place]
        return [tokens[i] for i in range(len(rows))]

    def _forbidden_stops(self) -> tuple[list[int], list[int]]:
        rows: list[int] = []
        tokens: list[int] = []
        for index, row in enumerate(self._rows):
            if row.decoding.min_tokens > row.answer_count and row.matcher is None:
                stops = [token for token in row.decoding.stop_token_ids if token < self._vocabulary_size]
                rows += [index] * len(stops)
                tokens += stops
        return rows, tokens

    def _bias_entries(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None:
        entries = [(i, token, bias) for i, row in enumerate(self._rows) for token, bias in row.decoding.logit_bias]
        if not entries:
            return None
        rows, tokens, values = zip(*entries, strict=True)
        device = self._device
        return (
            torch.tensor(rows, device=device),
            torch.tensor(tokens, device=device),
            torch.tensor(values, device=device, dtype=torch.float32),
        )


class _Penalties:
    """Repetition over prompt and answer, presence and frequency over the answer; (rows, vocabulary) each."""

    def __init__(self, rows: Sequence[Draw], vocabulary_size: int, device: torch.device) -> None:
        self._counts = torch.zeros(len(rows), vocabulary_size, device=device)
        self._seen = torch.zeros(len(rows), vocabulary_size, device=device, dtype=torch.bool)
        for index, row in enumerate(rows):
            answer = torch.tensor(row.answer_ids, device=device, dtype=torch.long)
            self._seen[index, torch.tensor(row.prompt_ids, device=device)] = True
            self._seen[index, answer] = True
            self._counts[index].index_add_(0, answer, torch.ones(len(answer), device=device))
        decodings = [row.decoding for row in rows]
        self._repetition = torch.tensor([d.repetition_penalty for d in decodings], device=device)[:, None]
        self._presence = torch.tensor([d.presence_penalty for d in decodings], device=device)[:, None]
        self._frequency = torch.tensor([d.frequency_penalty for d in decodings], device=device)[:, None]

    @classmethod
    def of(cls, rows: Sequence[Draw], vocabulary_size: int, device: torch.device) -> _Penalties | None:
        """None when no row asks for any."""
        for row in rows:
            d = row.decoding
            if d.repetition_penalty != 1 or d.presence_penalty or d.frequency_penalty:
                return cls(rows, vocabulary_size, device)
        return None

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        repeated = torch.where(logits > 0, logits / self._repetition, logits * self._repetition)
        logits = torch.where(self._seen, repeated, logits)
        return logits - self._counts * self._frequency - (self._counts > 0) * self._presence

    def count(self, tokens: torch.Tensor) -> None:
        self._counts.scatter_add_(1, tokens[:, None], torch.ones_like(self._counts[:, :1]))
        self._seen.scatter_(1, tokens[:, None], value=True)


def _place(masses: list[float], total: float | None, decoding: Decoding, chance: float) -> int | None:
    """Where in a list of masses, likeliest first, the chance falls.

    Args:
        masses: unnormalised, the first 1.
        total: mass of the whole vocabulary; None when the list is all of it.
        decoding: its min_p, top_k and top_p narrow the list, in this order.
        chance: in [0, 1).

    Returns:
        None when more of the vocabulary must be known.
    """
    counted = min(decoding.top_k, len(masses)) if decoding.top_k > 0 else len(masses)
    if not masses[-1]:  # what a grammar forbids has none
        counted = min(counted, bisect_left(masses, 0.0, key=neg))
        total = None
    if decoding.min_p > 0:
        counted = bisect_right(masses, -decoding.min_p, hi=counted, key=neg)
    if counted < len(masses) or counted == decoding.top_k:
        total = None  # nothing beyond the list counts
    if total is not None and decoding.min_p > 0:
        return None
    cumulated = list(accumulate(masses[:counted]))
    kept = cumulated[-1] if total is None else total
    if decoding.top_p < 1:
        last = bisect_left(cumulated, decoding.top_p * kept)
        if last == counted and total is not None:
            return None
        kept = cumulated[min(last, counted - 1)]
    place = bisect_right(cumulated, chance * kept)
    if place == counted and total is not None:
        return None
    return min(place, counted - 1)


def unpacked(bits: torch.Tensor, count: int) -> torch.Tensor:
    """(rows, count) truths out of (rows, words) of 32 bits each, the lowest first."""
    shifts = torch.arange(32, device=bits.device, dtype=torch.int32)
    return ((bits[:, :, None] >> shifts) & 1).bool().flatten(1)[:, :count]


def logprobs_of(logits: torch.Tensor, tokens: Sequence[int], alternatives: int) -> list[TokenLogprobs]:
    """Log-probabilities of one token per row under the raw distribution.

    Args:
        logits: (rows, vocabulary) as the model gave them.
        tokens: one per row.
        alternatives: how many of the likeliest to name beside it.
    """
    logprobs = logits.float().log_softmax(-1)
    own = logprobs.gather(-1, torch.tensor(tokens, device=logits.device)[:, None])[:, 0].tolist()
    if not alternatives:
        return [TokenLogprobs(token, value) for token, value in zip(tokens, own, strict=True)]
    values, ids = logprobs.topk(min(alternatives, logits.shape[-1]), dim=-1)
    tops = [tuple(zip(i, v, strict=True)) for i, v in zip(ids.tolist(), values.tolist(), strict=True)]
    return [TokenLogprobs(token, value, top) for token, value, top in zip(tokens, own, tops, strict=True)]
