"""What every engine must do with adapters. A test class inherits `AdapterContract` and gives it a `stage`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from duihua.engine.protocol import Engine
from duihua.errors import UnknownModel
from engine.contract import LONG, PROMPT, Stage, answer, collect, request

__all__ = ["AdapterContract"]


@asynccontextmanager
async def loaded(engine: Engine, adapters: Mapping[str, Path]) -> AsyncGenerator[None]:
    """Adapters for a while; the engine may be shared, so they are unloaded."""
    for name, path in adapters.items():
        await engine.load_adapter(name, path)
    try:
        yield
    finally:
        for name in adapters:
            await engine.unload_adapter(name)


class AdapterContract:
    """The suite."""

    def test_an_adapter_changes_answers_and_the_base_stays_as_it_was(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            before = await answer(engine, request(PROMPT))
            async with loaded(engine, stage.adapters):
                voices = [await answer(engine, request(PROMPT, adapter=name)) for name in stage.adapters]
                assert await answer(engine, request(PROMPT, salt="beside")) == before
            assert await answer(engine, request(PROMPT, salt="after")) == before
            if stage.adapters_speak:
                assert len({tuple(voice) for voice in (before, *voices)}) == 3

        stage.play(scenario)

    def test_base_and_adapters_at_once_answer_as_each_does_alone(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            names = (None, *stage.adapters)
            asked = [
                request(LONG[i : 40 * (i + 1)], adapter=names[i % 3], temperature=float(i > 5), seed=i, max_tokens=20)
                for i in range(8)
            ]
            async with loaded(engine, stage.adapters):
                alone = [await answer(engine, each) for each in asked]
                assert await asyncio.gather(*(answer(engine, each) for each in asked)) == alone

        stage.play(scenario)

    def test_an_adapter_that_is_not_loaded_is_unknown(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            with pytest.raises(UnknownModel, match="nobody"):
                await anext(engine.generate(request(PROMPT, adapter="nobody")))
            with pytest.raises(UnknownModel, match="nobody"):
                await engine.unload_adapter("nobody")

        stage.play(scenario)

    def test_what_runs_ends_under_the_adapter_it_began_with(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            first, second = stage.adapters.values()
            asked = request(PROMPT, adapter="voice", max_tokens=40)
            for replace in (False, True):
                await engine.load_adapter("voice", first)
                whole = await answer(engine, asked)
                running = engine.generate(asked)
                ids = list((await anext(running)).token_ids)
                if replace:
                    await engine.load_adapter("voice", second)
                    assert (await answer(engine, asked) != whole) == stage.adapters_speak
                await engine.unload_adapter("voice")
                assert ids + [token async for chunk in running for token in chunk.token_ids] == whole
                with pytest.raises(UnknownModel, match="voice"):
                    await anext(engine.generate(asked))

        stage.play(scenario)

    def test_prefixes_are_shared_under_the_same_adapter_weights_only(self, stage: Stage) -> None:
        async def scenario(engine: Engine) -> None:
            names = (None, "voice", "other")
            talks = {name: list(LONG) for name in names}

            async def cached(adapter: str | None) -> bool:
                talk = talks[adapter]
                chunks = await collect(engine, request(talk, salt="one of all", adapter=adapter))
                talk += [token for chunk in chunks for token in chunk.token_ids]
                return bool(chunks[0].cached_tokens)

            first, second = stage.adapters.values()
            async with loaded(engine, {"voice": first, "other": second}):
                assert [await cached(name) for name in names] == [False] * 3
                assert [await cached(name) for name in names] == [True] * 3
                await engine.load_adapter("voice", second)
                assert [await cached(name) for name in names] == [True, False, True]

        stage.play(scenario)
