"""One answer made of several generations, as one stream of chunks.

Each stage generates under its own grammar and stop tokens, on a prompt that ends with what the stages before it gave:
thinking first, freely, then the answer in its form; or a call, whose tags are put in as ids and whose arguments are
held to the tool's schema. What is put in was not chosen: its log-probability is 0. A cached prefix makes a stage as
cheap as going on. Presence and frequency penalties count what their own stage has sampled. To an engine each stage is
a request: a later one goes before those that have not begun, and where the queue is full it waits outside.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from duihua.chat.queueing import once_there_is_room
from duihua.events import Chunk, TokenLogprobs
from duihua.grammar import Grammar
from duihua.request import GenerationRequest

__all__ = ["ForcedCall", "Plan", "staged"]

Generate = Callable[[GenerationRequest], AsyncGenerator[Chunk]]
_SEEDS: Final = 2**64
_FIRST: Final = -(2**63)  # of priorities


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedCall:
    """A call that the answer is, whatever the model would rather say."""

    arguments: Mapping[str, Grammar]  # by the names of the tools to choose from
    name_ids: Mapping[str, tuple[int, ...]]
    before_name: tuple[int, ...]
    before_arguments: tuple[int, ...]
    closing: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The stages of an answer.

    Attributes:
        grammar: what the answer is held to, once thinking has ended.
        call: or the call that it is.
        opens, closes: ids of the tags around thinking; None where nothing is told apart.
        is_thinking: the prompt ends inside thinking.
        may_think: the model may begin to think by itself.
        most_thinking: tokens of thinking, after which it is ended; None: as many as there is room for.
        after_thinking: ids between thinking and an answer that is held to something.
        ends: stop tokens that end the answer wherever they come: the caller's, which are not the model's own.
    """

    grammar: Grammar | None = None
    call: ForcedCall | None = None
    opens: int | None = None
    closes: int | None = None
    is_thinking: bool = False
    may_think: bool = False
    most_thinking: int | None = None
    after_thinking: tuple[int, ...] = ()
    ends: frozenset[int] = frozenset()
    read: Callable[[Sequence[int]], str]  # the text of ids

    @property
    def is_held(self) -> bool:
        """Whether the answer is not the model's own choice."""
        return self.grammar is not None or self.call is not None


async def staged(generate: Generate, request: GenerationRequest, plan: Plan) -> AsyncGenerator[Chunk]:
    """Chunks as an engine gives them: the last has the finish reason, the first the cached tokens of the prompt.

    Raises:
        RequestError, EngineError: what the engine raises; of a later stage, after chunks of those before it.
    """
    answer, held = _Answer(generate, request, plan), Chunk()
    async with aclosing(_in_stages(answer, plan)) as chunks:
        async for chunk in chunks:
            held = _joined(held, chunk)
            if answer.has_generated or held.finish_reason is not None:  # what the first chunk tells is known
                yield held
                held = Chunk()


async def _in_stages(answer: _Answer, plan: Plan) -> AsyncGenerator[Chunk]:
    is_thinking = plan.is_thinking
    if not is_thinking and plan.may_think and plan.opens is not None:
        async with aclosing(_opened(answer, plan, plan.opens)) as chunks:
            async for chunk in chunks:
                yield chunk
        is_thinking = answer.ended_by == plan.opens
    if is_thinking and plan.closes is not None and not answer.is_over:
        async with aclosing(_thought(answer, plan, plan.closes)) as chunks:
            async for chunk in chunks:
                yield chunk
    if not answer.is_over:
        rest = answer.stage(plan.grammar, is_last=True) if plan.call is None else _called(answer, plan.call)
        async with aclosing(rest) as chunks:
            async for chunk in chunks:
                yield chunk
    if not answer.is_finished:
        yield Chunk(finish_reason="length")


async def _opened(answer: _Answer, plan: Plan, opens: int) -> AsyncGenerator[Chunk]:
    """Let the model begin to think, if that is what it does first; else, where it is held, nothing of it counts."""
    if not plan.is_held:
        async with aclosing(answer.stage(None, until=opens, is_last=True)) as chunks:
            async for chunk in chunks:
                yield chunk
        return
    tried = [chunk async for chunk in answer.stage(None, until=opens, most=2)]
    ids = [token for chunk in tried for token in chunk.token_ids]
    if answer.ended_by != opens or plan.read(ids[:-1]).strip():
        answer.take_back(tried)
        return
    for chunk in tried:
        yield chunk


async def _thought(answer: _Answer, plan: Plan, closes: int) -> AsyncGenerator[Chunk]:
    """Thinking to its end, or to its limit, where its tag is put in and the answer begins.

    So it does at the model's own end too, where the answer is held to something; else that is the answer's end.
    """
    if plan.most_thinking is None or plan.most_thinking > 0:
        stage = answer.stage(None, until=closes, most=plan.most_thinking, is_last=not plan.is_held)
        async with aclosing(stage) as chunks:
            async for chunk in chunks:
                yield chunk
        if answer.is_over:
            return
    ids = () if answer.ended_by == closes else (closes,)
    ids += plan.after_thinking if plan.is_held else ()
    if ids and not answer.is_over:
        yield answer.put(ids)


async def _called(answer: _Answer, call: ForcedCall) -> AsyncGenerator[Chunk]:
    names = list(call.arguments)
    if call.before_name:
        yield answer.put(call.before_name)
    name = names[0]
    if len(names) == 1 and not answer.is_over:
        yield answer.put(call.name_ids[name])
    elif not answer.is_over:
        start = len(answer.ids)
        async with aclosing(answer.stage(Grammar.choice(names))) as chunks:
            async for chunk in chunks:
                yield chunk
        name = answer.read(answer.ids[start:])
    if not answer.is_over:
        yield answer.put(call.before_arguments)
    if not answer.is_over:
        async with aclosing(answer.stage(call.arguments[name])) as chunks:
            async for chunk in chunks:
                yield chunk
    if not answer.is_over:
        yield answer.put(call.closing)
        if answer.is_whole:
            answer.is_finished = True
            yield Chunk(finish_reason="stop")


def _joined(first: Chunk, second: Chunk) -> Chunk:
    """Two chunks as one; the first tells of nothing but its tokens, which were put in."""
    if not first.token_ids:
        return second
    return replace(
        second,
        token_ids=first.token_ids + second.token_ids,
        given=len(first.token_ids) + second.given,
        logprobs=None if first.logprobs is None else first.logprobs + (second.logprobs or ()),
    )


class _Answer:
    """What the stages of one answer share: its ids so far, and what is left of its limits.

    Attributes:
        ids: of the answer so far.
        ended_by: the stop token that ended the stage before; None where its limit did.
        has_generated: a stage was asked for.
        is_finished: the last chunk was given.
        is_over: nothing more fits, or the last chunk was given.
        is_whole: what was put in last fitted.
    """

    def __init__(self, generate: Generate, request: GenerationRequest, plan: Plan) -> None:
        self._generate = generate
        self._request = request
        self._ends = plan.ends
        self._stages = 0
        self._first = Chunk()  # what only the first chunk tells
        self.read = plan.read
        self.ids: list[int] = []
        self.ended_by: int | None = None
        self.is_finished = False
        self.is_whole = True

    @property
    def has_generated(self) -> bool:
        return self._stages > 0

    @property
    def is_over(self) -> bool:
        return self.is_finished or len(self.ids) >= self._request.decoding.max_tokens

    async def stage(
        self, grammar: Grammar | None, *, until: int | None = None, most: int | None = None, is_last: bool = False
    ) -> AsyncGenerator[Chunk]:
        """Generate until a stop token, which is no part of the answer, unless it is `until`.

        Args:
            grammar: what this stage is held to.
            until: another token that ends it.
            most: tokens of it.
            is_last: the answer ends with it, with its stop token and finish reason, unless it ended with `until` or
                after `most`.
        """
        request = self._asked(grammar, until, most, is_last=is_last)
        self.ended_by = None
        async with aclosing(self._generated(request)) as chunks:
            async for chunk in chunks:
                shown = self._taken(chunk, until, most, is_last=is_last)
                if shown.token_ids or shown.finish_reason is not None:
                    yield self._with_first(shown)

    def _generated(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        return once_there_is_room(lambda: self._generate(request), seconds=0.0 if self._stages == 1 else math.inf)

    def put(self, ids: Sequence[int]) -> Chunk:
        """Add ids that were not chosen, as many as there is room for."""
        room = self._request.decoding.max_tokens - len(self.ids)
        self.is_whole = len(ids) <= room
        fitting = tuple(ids[:room])
        self.ids += fitting
        logprobs = tuple(TokenLogprobs(token, 0.0) for token in fitting)
        wanted = self._request.decoding.logprobs is not None
        return self._with_first(Chunk(token_ids=fitting, given=len(fitting), logprobs=logprobs if wanted else None))

    def take_back(self, tried: Sequence[Chunk]) -> None:
        """Forget the last chunks: they were a try."""
        del self.ids[len(self.ids) - sum(len(chunk.token_ids) for chunk in tried) :]
        self.ended_by, self.is_finished = None, False
        if tried:
            self._first = tried[0]

    def _asked(
        self, grammar: Grammar | None, until: int | None, most: int | None, *, is_last: bool
    ) -> GenerationRequest:
        decoding, number = self._request.decoding, self._stages
        self._stages += 1
        left = decoding.max_tokens - len(self.ids)
        seed = decoding.seed
        return replace(
            self._request,
            request_id=f"{self._request.request_id}.{number}" if number else self._request.request_id,
            token_ids=(*self._request.token_ids, *self.ids),
            priority=self._request.priority if not number else max(self._request.priority - 1, _FIRST),
            grammar=grammar,
            decoding=replace(
                decoding,
                max_tokens=left if most is None else min(left, most),
                min_tokens=max(0, decoding.min_tokens - len(self.ids)) if is_last and until is None else 0,
                stop_token_ids=decoding.stop_token_ids if until is None else (*decoding.stop_token_ids, until),
                seed=None if seed is None else (seed + number * _APART) % _SEEDS,
                prompt_logprobs=None if number else decoding.prompt_logprobs,
            ),
        )

    def _taken(self, chunk: Chunk, until: int | None, most: int | None, *, is_last: bool) -> Chunk:
        """Note a chunk of a stage; what of it belongs to the answer."""
        if self._stages == 1 and chunk.cached_tokens is not None:  # of a prompt that may end with what was put in
            length = self._request.prompt_tokens
            told = None if chunk.prompt_logprobs is None else chunk.prompt_logprobs[:length]
            self._first = Chunk(cached_tokens=min(chunk.cached_tokens, length), prompt_logprobs=told)
        ids, logprobs = chunk.token_ids, chunk.logprobs
        if chunk.finish_reason == "stop":
            self.ended_by = ids[-1]
        is_until = until is not None and self.ended_by == until
        is_end = is_last or self.ended_by in self._ends
        if chunk.finish_reason == "stop" and not is_until:
            is_early = until is not None and len(self.ids) + len(ids) <= self._request.decoding.min_tokens
            if is_early or not is_end:
                is_end, ids, logprobs = False, ids[:-1], None if logprobs is None else logprobs[:-1]
        is_cut = chunk.finish_reason == "length" and most is None
        self.is_finished = is_end and (is_cut or chunk.finish_reason == "stop") and not is_until
        self.ids += ids
        return Chunk(
            token_ids=ids,
            logprobs=logprobs,
            finish_reason=chunk.finish_reason if self.is_finished else None,
        )

    def _with_first(self, chunk: Chunk) -> Chunk:
        """The chunk, with what was kept for the first that is shown."""
        first, self._first = self._first, Chunk()
        if first.cached_tokens is None:
            return chunk
        return replace(chunk, cached_tokens=first.cached_tokens, prompt_logprobs=first.prompt_logprobs)


_APART: Final = 1_000_003  # between the seeds of stages; n answers have seeds one apart
