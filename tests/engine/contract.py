"""What every engine must do. A test class inherits `EngineContract` and gives it a `stage`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from duihua.engine.protocol import Engine
from duihua.errors import ContextOverflow, EngineDead, InvalidParameter
from duihua.events import Chunk
from duihua.request import GenerationRequest
from duihua.sampling import Decoding

__all__ = ["EngineContract", "Scenario", "Stage", "answer", "collect", "play_alone", "request"]

Scenario = Callable[[Engine], Awaitable[object]]


class Stage(Protocol):
    """Where scenarios are played.

    Attributes:
        slots: requests the engine runs at once.
        cache_block: tokens that are cached as a whole; 1 where any prefix serves.
        adapters: two of its model, "first" and "second"; the engine has room for both.
        adapters_speak: whether an answer depends on the adapter.
    """

    slots: int
    cache_block: int
    adapters: Mapping[str, Path]
    adapters_speak: bool

    def play(self, scenario: Scenario) -> None:
        """Run a scenario; the engine may be shared with others, in float32."""
        ...

    def play_alone(self, scenario: Scenario) -> None:
        """Run a scenario that ends its engine."""
        ...


def play_alone(factory: Callable[[], Engine], scenario: Scenario) -> None:
    """Run a scenario on an engine of its own, in an event loop of its own."""

    async def play() -> None:
        engine = factory()
        try:
            await asyncio.wait_for(scenario(engine), 60)
        finally:
            await engine.aclose()

    asyncio.run(play())


def request(
    token_ids: Sequence[int], *, salt: str = "", priority: int = 0, adapter: str | None = None, **decoding: Any
) -> GenerationRequest:
    """A request for 12 tokens, greedy, that nothing stops, if nothing else is said."""
    decoding.setdefault("max_tokens", 12)
    return GenerationRequest(
        request_id="test",
        token_ids=tuple(token_ids),
        decoding=Decoding(**decoding),
        adapter=adapter,
        cache_salt=salt,
        priority=priority,
    )


async def collect(engine: Engine, asked: GenerationRequest) -> list[Chunk]:
    """All chunks of a request."""
    async with aclosing(engine.generate(asked)) as chunks:
        return [chunk async for chunk in chunks]


async def answer(engine: Engine, asked: GenerationRequest) -> list[int]:
    """All token ids of an answer."""
    return ids_of(await collect(engine, asked))


def ids_of(chunks: Sequence[Chunk]) -> list[int]:
    """Their token ids; how many come together is the engine's choice."""
    return [token for chunk in chunks for token in chunk.token_ids]


PROMPT = tuple(range(20, 60))
LONG = tuple((7 * i) % 200 + 20 for i in range(300))  # more than one stretch of prefill


class EngineContract:
    """The suite; what holds of adapters is in `adapter_contract`."""

    def test_only_the_last_chunk_has_a_finish_reason_and_only_the_first_the_cached_tokens(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            chunks = await collect(engine, request(PROMPT))
            assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
            assert chunks[-1].finish_reason == "length"
            assert chunks[0].cached_tokens is not None
            assert all(chunk.cached_tokens is None for chunk in chunks[1:])
            assert sum(len(chunk.token_ids) for chunk in chunks) == 12

        stage.play(scenario)

    def test_a_prompt_that_does_not_fit_is_refused_with_numbers(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            window = engine.info.context_window
            with pytest.raises(ContextOverflow) as refusal:
                await anext(engine.generate(request([20] * window)))
            error = refusal.value
            assert (error.prompt_tokens, error.limit, error.context_window) == (window, window - 1, window)

        stage.play(scenario)

    @pytest.mark.parametrize(
        ("token_ids", "decoding"),
        [
            ((), {}),
            ((20, 10**9), {}),
            ((20, -1), {}),
            ((20,), {"logit_bias": ((10**9, 1.0),)}),
            ((20,), {"max_tokens": 0}),
        ],
    )
    def test_what_cannot_be_run_is_refused_by_name(
        self, stage: Stage, token_ids: tuple[int, ...], decoding: dict[str, Any]
    ) -> None:
        async def scenario(engine: Engine) -> None:
            generator = engine.generate(request(token_ids, **decoding))
            with pytest.raises(InvalidParameter):
                await anext(generator)

        stage.play(scenario)

    def test_the_window_ends_an_answer_by_length(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            asked = request([20] * (engine.info.context_window - 3), max_tokens=100)
            chunks = await collect(engine, asked)
            assert sum(len(chunk.token_ids) for chunk in chunks) == 3
            assert chunks[-1].finish_reason == "length"

        stage.play(scenario)

    def test_one_token_is_length(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            chunks = await collect(engine, request(PROMPT, max_tokens=1))
            assert [(len(chunk.token_ids), chunk.finish_reason) for chunk in chunks] == [(1, "length")]

        stage.play(scenario)

    def test_a_stop_token_stops_and_is_the_last(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            whole = await answer(engine, request(PROMPT))
            stop = whole[4]
            first = whole.index(stop)
            chunks = await collect(engine, request(PROMPT, stop_token_ids=(300, stop)))
            assert [token for chunk in chunks for token in chunk.token_ids] == whole[: first + 1]
            assert chunks[-1].finish_reason == "stop"

        stage.play(scenario)

    def test_min_tokens_keeps_stop_tokens_out(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            stop = (await answer(engine, request(PROMPT)))[0]
            late = await answer(engine, request(PROMPT, stop_token_ids=(stop,), min_tokens=6))
            assert stop not in late[:6]
            assert len(late) >= 6

        stage.play(scenario)

    def test_greedy_answers_are_stable(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            first = await answer(engine, request(PROMPT))
            second = await answer(engine, request(PROMPT, salt="apart"))
            crowd = await asyncio.gather(*(answer(engine, request(PROMPT)) for _ in range(4)))
            assert [second, *crowd] == [first] * 5

        stage.play(scenario)

    @pytest.mark.parametrize("prompt", [PROMPT, LONG], ids=["short", "long"])
    def test_the_same_seed_gives_the_same_answer_alone_and_in_company(
        self, stage: Stage, prompt: tuple[int, ...]
    ) -> None:
        async def scenario(engine: Engine) -> None:
            asked = [request((20 + i, *prompt), seed=i, temperature=1.2, top_p=0.95) for i in range(6)]
            alone = [await answer(engine, each) for each in asked]
            together = await asyncio.gather(*(answer(engine, each) for each in asked))
            assert alone == together
            other = await answer(engine, request((20, *prompt), seed=99, temperature=1.2, top_p=0.95))
            assert other != alone[0]

        stage.play(scenario)

    def test_concurrent_requests_are_isolated(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            tokens = range(30, 40)
            asked = [
                request(
                    range(20, 25 + 3 * i),
                    logit_bias=((token, 100.0),),
                    temperature=float(i % 2),
                    max_tokens=9 + i,
                )
                for i, token in enumerate(tokens)
            ]
            answers = await asyncio.gather(*(answer(engine, each) for each in asked))
            assert answers == [[token] * (9 + i) for i, token in enumerate(tokens)]

        stage.play(scenario)

    def test_a_continued_conversation_computes_only_what_is_new(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            first = await answer(engine, request(LONG, salt="mine"))
            longer = (*LONG, *first, 21, 22, 23)
            again = await collect(engine, request(longer, salt="mine"))
            computed_once = len(LONG) + len(first) - 1
            expected = computed_once // stage.cache_block * stage.cache_block
            assert expected <= (again[0].cached_tokens or 0) < len(longer)
            fresh = await collect(engine, request(longer, salt="yours"))
            assert fresh[0].cached_tokens == 0
            assert ids_of(fresh) == ids_of(again)

        stage.play(scenario)

    def test_logprobs_are_those_of_the_raw_distribution(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            chunks = await collect(engine, request(PROMPT, logprobs=5, temperature=0.5, seed=1))
            for chunk in chunks:
                assert chunk.logprobs is not None
                assert tuple(entry.token_id for entry in chunk.logprobs) == chunk.token_ids
                for entry in chunk.logprobs:
                    values = [value for _, value in entry.top]
                    assert entry.logprob <= 0
                    assert sum(math.exp(value) for value in values) <= 1.0001
                    assert all(likelier >= value for likelier, value in pairwise(values))
                    assert dict(entry.top).get(entry.token_id, entry.logprob) == pytest.approx(entry.logprob, abs=1e-4)
            silent = await collect(engine, request(PROMPT, temperature=0.5, seed=1))
            assert ids_of(silent) == ids_of(chunks)
            assert all(chunk.logprobs is None for chunk in silent)
            bare = await collect(engine, request(PROMPT, logprobs=0, max_tokens=1))
            assert bare[0].logprobs is not None
            assert bare[0].logprobs[0].top == ()

        stage.play(scenario)

    def test_prompt_logprobs_come_first_one_per_token(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            await answer(engine, request(LONG))
            chunks = await collect(engine, request(LONG, prompt_logprobs=1, max_tokens=3))
            entries = chunks[0].prompt_logprobs
            assert entries is not None
            assert entries[0] is None
            assert [entry.token_id for entry in entries[1:] if entry is not None] == list(LONG[1:])
            assert all(entry.logprob <= entry.top[0][1] + 1e-6 for entry in entries[1:] if entry is not None)
            assert chunks[0].cached_tokens == 0
            assert all(chunk.prompt_logprobs is None for chunk in chunks[1:])

        stage.play(scenario)

    def test_a_closed_request_frees_its_slot(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            endless = request([20, 21], max_tokens=engine.info.context_window)
            running = [engine.generate(endless) for _ in range(stage.slots)]
            for generator in running:
                await anext(generator)
            waiting = asyncio.ensure_future(answer(engine, request(PROMPT)))
            for generator in running:
                await generator.aclose()
            assert len(await waiting) == 12

        stage.play(scenario)

    def test_nothing_happens_before_the_first_chunk_is_asked_for(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            generator = engine.generate(request([]))
            await generator.aclose()
            assert len(await answer(engine, request(PROMPT))) == 12

        stage.play(scenario)

    def test_closing_the_engine_ends_what_runs_and_may_be_done_twice(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            generator = engine.generate(request([20, 21], max_tokens=engine.info.context_window))
            await anext(generator)
            await engine.aclose()
            with pytest.raises(EngineDead):
                async for _ in generator:
                    pass
            with pytest.raises(EngineDead):
                await anext(engine.generate(request(PROMPT)))
            with pytest.raises(EngineDead):
                await engine.load_adapter("first", stage.adapters["first"])
            await engine.aclose()

        stage.play_alone(scenario)

    def test_requests_and_chunks_survive_msgpack(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            asked = request(PROMPT, logprobs=2, prompt_logprobs=0, logit_bias=((33, 1.5),), seed=3, temperature=0.7)
            packed = msgspec.msgpack.encode(asked)
            unpacked = msgspec.msgpack.decode(packed, type=GenerationRequest)
            assert unpacked == asked
            for chunk in await collect(engine, unpacked):
                assert msgspec.msgpack.decode(msgspec.msgpack.encode(chunk), type=Chunk) == chunk

        stage.play(scenario)
