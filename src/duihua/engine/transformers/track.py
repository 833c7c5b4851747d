"""One request on its way through the engine."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from duihua.engine.pictured import pictured_ids
from duihua.engine.transformers.adapters import BASE
from duihua.engine.transformers.grammars import Matcher
from duihua.engine.transformers.outbox import Outbox
from duihua.engine.transformers.prefixes import Sharing
from duihua.engine.transformers.sight import Sight
from duihua.events import Chunk, EngineFinish, TokenLogprobs
from duihua.request import GenerationRequest
from duihua.sampling import Decoding

__all__ = ["Track"]


class Track:
    """The tokens of one request: its prompt and what was chosen so far.

    Owned by the worker thread; the caller's side only sets `cancelled`.

    Attributes:
        ids: prompt and answer. Keys and values exist for all but the last, once it is decoding. The tokens of a
            picture are its number, which is below zero; see `engine.pictured`.
        limit: ids it may hold at most.
        adapter: the number of the weights it is computed with; see `Adapters`.
        sight: its pictures, None where it has none.
        matcher: where it stands in its grammar, None where it has none.
        shift: what is added to the index of a token of the answer to get its position.
        arrival: place in the order of arrival.
        cancelled: nobody listens any more.
    """

    def __init__(
        self,
        request: GenerationRequest,
        outbox: Outbox,
        *,
        limit: int,
        adapter: int = BASE,
        sight: Sight | None = None,
        matcher: Matcher | None = None,
    ) -> None:
        self.request = request
        self.outbox = outbox
        self.limit = limit
        self.adapter = adapter
        self.sight = sight
        self.matcher: Matcher | None = matcher
        self.shift = 0 if sight is None else sight.shift
        self.ids = pictured_ids(request)
        self.arrival = 0
        self.cancelled = False
        self.finished = False
        self.uniform: Callable[[], float] = random.Random(request.decoding.seed).random  # noqa: S311
        self._prompt_count = len(self.ids)
        self._cached_tokens: int | None = None
        self._prompt_logprobs: list[TokenLogprobs | None] = [None]

    @property
    def decoding(self) -> Decoding:
        """How its tokens are chosen."""
        return self.request.decoding

    @property
    def sharing(self) -> Sharing:
        """Who may use its keys and values: prompts of the same salt under the same weights."""
        return self.request.cache_salt, self.adapter

    @property
    def prompt_ids(self) -> Sequence[int]:
        """The prompt; one id or a few stand for each picture."""
        return self.request.token_ids

    @property
    def answer_ids(self) -> Sequence[int]:
        """What was chosen so far."""
        return self.ids[self._prompt_count :]

    @property
    def answer_count(self) -> int:
        """How many were chosen so far."""
        return len(self.ids) - self._prompt_count

    @property
    def turn(self) -> tuple[int, int]:
        """Sorts by who goes first."""
        return self.request.priority, self.arrival

    @property
    def wants_prompt_logprobs(self) -> bool:
        """Whether logits after each prompt token are needed; once, even when it is prefilled again."""
        return self.decoding.prompt_logprobs is not None and len(self._prompt_logprobs) < self._prompt_count

    def note_cached(self, token_count: int) -> None:
        """Remember, as a prefill begins, how much of the prompt needs no computing."""
        if not self.answer_count:
            self._cached_tokens = token_count
            self._prompt_logprobs = [None]

    def note_prompt_logprobs(self, values: Sequence[TokenLogprobs]) -> None:
        """Add those of the next prompt tokens."""
        self._prompt_logprobs += values

    def accept(self, token_id: int, logprobs: TokenLogprobs | None) -> Chunk:
        """Add a chosen token.

        Returns:
            What the caller is told; with a finish reason when the answer ends with it.
        """
        is_first = len(self.ids) == self._prompt_count
        self.ids.append(token_id)
        if self.matcher is not None:
            self.matcher.accept(token_id)
        reason: EngineFinish | None = None
        if token_id in self.decoding.stop_token_ids:
            reason = "stop"
        elif len(self.ids) == self.limit:
            reason = "length"
        self.finished = reason is not None
        wants_prompt = is_first and self.decoding.prompt_logprobs is not None
        return Chunk(
            token_ids=(token_id,),
            logprobs=None if logprobs is None else (logprobs,),
            cached_tokens=self._cached_tokens if is_first else None,
            prompt_logprobs=tuple(self._prompt_logprobs) if wants_prompt else None,
            finish_reason=reason,
        )
