from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from duihua.engine.scripted import ScriptedEngine
from duihua.errors import ContextOverflow, EngineDead, GenerationFailed, UnsupportedFeature
from duihua.image import Image
from duihua.request import GenerationRequest, PlacedImage
from engine.adapter_contract import AdapterContract
from engine.contract import EngineContract, Scenario, answer, collect, play_alone, request


def _recital(asked: GenerationRequest) -> Sequence[int]:
    """What a real engine's answers depend on, and nothing else."""
    if asked.decoding.logit_bias:
        return [asked.decoding.logit_bias[0][0]]
    chance = random.Random(f"{asked.token_ids} {asked.decoding.seed}")
    return [chance.randrange(20, 250) for _ in range(40)]


class _ScriptedStage:
    slots = 8
    cache_block = 1
    adapters: ClassVar = {"first": Path("first"), "second": Path("second")}
    adapters_speak = False

    def play(self, scenario: Scenario) -> None:
        play_alone(lambda: ScriptedEngine(_recital, context_window=512, vocabulary_size=320), scenario)

    play_alone = play


class TestScripted(EngineContract, AdapterContract):
    @pytest.fixture
    def stage(self) -> _ScriptedStage:
        return _ScriptedStage()


def test_answers_are_recited_in_turn_and_end_with_the_first_stop_token() -> None:
    async def scenario() -> None:
        engine = ScriptedEngine([[1, 2], [3]])
        assert await answer(engine, request([9], stop_token_ids=(7, 8))) == [1, 2, 7]
        assert await answer(engine, request([9], stop_token_ids=(7, 8))) == [3, 7]
        with pytest.raises(IndexError):
            await answer(engine, request([9]))

    asyncio.run(scenario())


def test_it_remembers_what_it_was_asked_and_what_was_closed() -> None:
    async def scenario() -> None:
        engine = ScriptedEngine([[1, 2], [3]])
        generator = engine.generate(request([9]))
        await anext(generator)
        await generator.aclose()
        await answer(engine, request([8]))
        assert [asked.token_ids for asked in engine.requests] == [(9,), (8,)]
        assert engine.closed == ["test"]

    asyncio.run(scenario())


def test_a_gate_holds_back_each_token() -> None:
    async def scenario() -> None:
        gate = asyncio.Semaphore(0)
        engine = ScriptedEngine([[1, 2, 3]], gate=gate.acquire)
        generator = engine.generate(request([9], max_tokens=3))
        first = asyncio.ensure_future(anext(generator))
        await asyncio.sleep(0)
        assert not first.done()
        gate.release()
        assert (await first).token_ids == (1,)
        gate.release()
        gate.release()
        assert [chunk.token_ids async for chunk in generator] == [(2,), (3,)]

    asyncio.run(scenario())


def test_a_failed_request_leaves_it_ready() -> None:
    async def scenario() -> None:
        engine = ScriptedEngine([[1, 2, 3], [4]], failure=(2, GenerationFailed("lost")))
        generator = engine.generate(request([9]))
        assert [(await anext(generator)).token_ids for _ in range(2)] == [(1,), (2,)]
        with pytest.raises(GenerationFailed):
            await anext(generator)
        assert await answer(engine, request([9], max_tokens=1)) == [4]

    asyncio.run(scenario())


def test_a_dead_one_stays_dead() -> None:
    async def scenario() -> None:
        engine = ScriptedEngine([[1, 2, 3]], failure=(0, EngineDead("gone")))
        for _ in range(2):
            with pytest.raises(EngineDead):
                await collect(engine, request([9]))

    asyncio.run(scenario())


def test_an_answer_is_the_same_under_each_adapter_that_is_loaded() -> None:
    async def scenario() -> None:
        engine = ScriptedEngine(_recital)
        await engine.load_adapter("pirate", Path("pirate"))
        assert engine.adapters == {"pirate": Path("pirate")}
        assert await answer(engine, request([9], adapter="pirate")) == await answer(engine, request([9]))
        await engine.unload_adapter("pirate")
        assert engine.adapters == {}

    asyncio.run(scenario())


def test_pictures_are_told_apart_and_counted_as_long_as_they_are() -> None:
    async def scenario() -> None:
        engine = ScriptedEngine(lambda _: [1], context_window=100, max_images=1)
        cat, dog = (Image(data, 4, 3) for data in (b"cat", b"dog"))
        asked = replace(request([20, 21, 22, 23], max_tokens=1), images=(PlacedImage(cat, 2, 3, 50),))
        await answer(engine, asked)
        assert (await collect(engine, asked))[0].cached_tokens == asked.prompt_tokens - 1 == 52
        other = replace(asked, images=(replace(asked.images[0], image=dog),))
        assert (await collect(engine, other))[0].cached_tokens == 2
        with pytest.raises(ContextOverflow):
            await answer(engine, replace(asked, images=(replace(asked.images[0], tokens=97),)))
        with pytest.raises(UnsupportedFeature, match="sees none"):
            await answer(ScriptedEngine([[1]]), asked)

    asyncio.run(scenario())
