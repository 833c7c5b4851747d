from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from duihua.engine.protocol import Engine
from duihua.engine.scripted import ScriptedEngine
from duihua.engine.supervised import SupervisedEngine
from duihua.errors import AdapterRejected, EngineDead, GenerationFailed, ModelLoadFailed, UnknownModel
from engine.contract import answer, collect, request


class Workshop:
    """Makes engines of which the first so many die after one token."""

    def __init__(self, *, mortals: int) -> None:
        self.made: list[ScriptedEngine] = []
        self.mortals = mortals
        self.broken = False

    async def __call__(self) -> Engine:
        await asyncio.sleep(0)
        if self.broken:
            raise ModelLoadFailed("no memory")
        failure = (1, EngineDead("gone")) if len(self.made) < self.mortals else None
        self.made.append(ScriptedEngine(lambda asked: [len(self.made)], failure=failure))
        return self.made[-1]


def test_the_running_request_hears_of_the_death_and_the_next_finds_a_new_engine() -> None:
    async def scenario() -> None:
        workshop = Workshop(mortals=1)
        engine = await SupervisedEngine.start(workshop)
        info = engine.info
        with pytest.raises(EngineDead, match="gone"):
            await collect(engine, request([9]))
        assert await answer(engine, request([9], max_tokens=2)) == [2, 2]
        assert len(workshop.made) == 2
        assert engine.info is info

    asyncio.run(scenario())


def test_many_requests_after_a_death_build_one_engine() -> None:
    async def scenario() -> None:
        workshop = Workshop(mortals=1)
        engine = await SupervisedEngine.start(workshop)
        with pytest.raises(EngineDead):
            await collect(engine, request([9]))
        answers = await asyncio.gather(*(answer(engine, request([9], max_tokens=1)) for _ in range(5)))
        assert answers == [[2]] * 5
        assert len(workshop.made) == 2

    asyncio.run(scenario())


def test_deaths_in_a_row_are_bounded() -> None:
    async def scenario() -> None:
        workshop = Workshop(mortals=100)
        engine = await SupervisedEngine.start(workshop, restarts=2)
        for is_last in (False, False, True):
            with pytest.raises(EngineDead, match="gone") as caught:
                await collect(engine, request([9]))
            assert caught.value.is_final is is_last
        with pytest.raises(EngineDead, match="3 times in a row") as caught:
            await collect(engine, request([9]))
        assert caught.value.is_final
        assert len(workshop.made) == 3

    asyncio.run(scenario())


def test_a_finished_answer_forgives_earlier_deaths() -> None:
    async def scenario() -> None:
        workshop = Workshop(mortals=100)
        engine = await SupervisedEngine.start(workshop, restarts=1)
        for _ in range(4):
            with pytest.raises(EngineDead, match="gone"):
                await collect(engine, request([9]))
            assert await answer(engine, request([9], max_tokens=1))

    asyncio.run(scenario())


def test_a_factory_that_fails_is_an_engine_that_stays_dead_until_it_works_again() -> None:
    async def scenario() -> None:
        workshop = Workshop(mortals=1)
        engine = await SupervisedEngine.start(workshop)
        with pytest.raises(EngineDead):
            await collect(engine, request([9]))
        workshop.broken = True
        attempts = (collect(engine, request([9])) for _ in range(3))
        errors = await asyncio.gather(*attempts, return_exceptions=True)
        assert [type(error) for error in errors] == [EngineDead] * 3
        assert "no memory" in str(errors[0])
        workshop.broken = False
        assert await answer(engine, request([9], max_tokens=1)) == [2]

    asyncio.run(scenario())


class Slow:
    """A factory whose second engine is made when it is told to."""

    def __init__(self) -> None:
        self.started, self.go_on = asyncio.Event(), asyncio.Event()
        self.made: list[ScriptedEngine] = []

    async def __call__(self) -> Engine:
        if self.made:
            self.started.set()
            await self.go_on.wait()
        failure = None if self.made else (1, EngineDead("gone"))
        self.made.append(ScriptedEngine(lambda asked: [len(self.made)], failure=failure))
        return self.made[-1]


async def dead_and_slow() -> tuple[Slow, SupervisedEngine]:
    factory = Slow()
    engine = await SupervisedEngine.start(factory)
    with pytest.raises(EngineDead, match="gone"):
        await collect(engine, request([9]))
    return factory, engine


def test_who_caused_the_building_may_leave_and_the_others_get_the_engine() -> None:
    async def scenario() -> None:
        factory, engine = await dead_and_slow()
        first = asyncio.ensure_future(answer(engine, request([9], max_tokens=1)))
        await factory.started.wait()
        second = asyncio.ensure_future(answer(engine, request([9], max_tokens=1)))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        factory.go_on.set()
        assert await second == [2]
        assert len(factory.made) == 2

    asyncio.run(scenario())


def test_an_engine_that_is_finished_after_closing_is_closed() -> None:
    async def scenario() -> None:
        factory, engine = await dead_and_slow()
        asked = asyncio.ensure_future(answer(engine, request([9])))
        await factory.started.wait()
        closing = asyncio.ensure_future(engine.aclose())
        await asyncio.sleep(0)
        factory.go_on.set()
        await closing
        with pytest.raises(EngineDead, match="closed"):
            await asked
        with pytest.raises(EngineDead):
            await collect(factory.made[1], request([9]))

    asyncio.run(scenario())


def test_whatever_the_factory_raises_is_told_and_counts() -> None:
    async def scenario() -> None:
        workshop = Workshop(mortals=1)

        async def factory() -> Engine:
            if workshop.made:
                raise OSError("no disk")
            return await workshop()

        engine = await SupervisedEngine.start(factory, restarts=1)
        with pytest.raises(EngineDead, match="gone"):
            await collect(engine, request([9]))
        with pytest.raises(EngineDead, match="no disk") as caught:
            await collect(engine, request([9]))
        assert isinstance(caught.value.__cause__, OSError)
        assert caught.value.is_final
        with pytest.raises(EngineDead, match="2 times in a row"):
            await collect(engine, request([9]))

    asyncio.run(scenario())


def test_a_lost_request_is_no_death() -> None:
    async def scenario() -> None:
        scripted = ScriptedEngine([[1], [2]], failure=(0, GenerationFailed("lost")))

        async def factory() -> Engine:
            raise AssertionError("nothing has died")

        engine = SupervisedEngine(scripted, factory)
        with pytest.raises(GenerationFailed):
            await collect(engine, request([9]))
        assert await answer(engine, request([9], max_tokens=1)) == [2]

    asyncio.run(scenario())


def test_closing_a_request_closes_the_inner_one_and_closing_the_engine_is_for_ever() -> None:
    async def scenario() -> None:
        workshop = Workshop(mortals=0)
        engine = await SupervisedEngine.start(workshop)
        generator = engine.generate(request([9]))
        await anext(generator)
        await generator.aclose()
        assert workshop.made[0].closed == ["test"]
        await engine.aclose()
        await engine.aclose()
        with pytest.raises(EngineDead, match="closed"):
            await collect(engine, request([9]))
        assert len(workshop.made) == 1

    asyncio.run(scenario())


def test_a_new_engine_has_the_adapters_of_the_old_one() -> None:
    async def scenario() -> None:
        workshop = Workshop(mortals=1)
        engine = await SupervisedEngine.start(workshop)
        for name in ("pirate", "poet", "clerk"):
            await engine.load_adapter(name, Path(name))
        await engine.load_adapter("poet", Path("younger poet"))
        await engine.unload_adapter("clerk")
        with pytest.raises(EngineDead, match="gone"):
            await collect(engine, request([9], adapter="pirate"))
        assert await answer(engine, request([9], adapter="pirate", max_tokens=1)) == [2]
        assert workshop.made[1].adapters == {"pirate": Path("pirate"), "poet": Path("younger poet")}
        with pytest.raises(UnknownModel, match="clerk"):
            await collect(engine, request([9], adapter="clerk"))

    asyncio.run(scenario())


def test_an_adapter_is_loaded_into_the_new_engine_when_the_old_one_is_dead() -> None:
    async def scenario() -> None:
        workshop = Workshop(mortals=1)
        engine = await SupervisedEngine.start(workshop)
        with pytest.raises(EngineDead, match="gone"):
            await collect(engine, request([9]))
        await engine.load_adapter("pirate", Path("pirate"))
        assert [set(made.adapters) for made in workshop.made] == [set(), {"pirate"}]

    asyncio.run(scenario())


class Picky(ScriptedEngine):
    """Takes no adapters."""

    async def load_adapter(self, name: str, path: Path) -> None:
        raise AdapterRejected(f"{path} is too wide")


def test_an_adapter_that_was_refused_is_not_loaded_again() -> None:
    async def scenario() -> None:
        made: list[Engine] = []

        async def factory() -> Engine:
            failure = None if made else (0, EngineDead("gone"))
            made.append(Picky([[1]], failure=failure))
            return made[-1]

        engine = await SupervisedEngine.start(factory)
        with pytest.raises(AdapterRejected):
            await engine.load_adapter("pirate", Path("pirate"))
        with pytest.raises(EngineDead, match="gone"):
            await collect(engine, request([9]))
        assert await answer(engine, request([9], max_tokens=1)) == [1]

    asyncio.run(scenario())


def test_an_adapter_that_the_new_engine_refuses_is_told_and_that_engine_is_closed() -> None:
    async def scenario() -> None:
        workshop = Workshop(mortals=1)
        refusing: list[Picky] = []

        async def factory() -> Engine:
            if not workshop.made:
                return await workshop()
            refusing.append(Picky([[1]]))
            return refusing[-1]

        engine = await SupervisedEngine.start(factory)
        await engine.load_adapter("pirate", Path("pirate"))
        with pytest.raises(EngineDead, match="gone"):
            await collect(engine, request([9]))
        with pytest.raises(EngineDead, match="too wide"):
            await collect(engine, request([9]))
        with pytest.raises(EngineDead):
            await collect(refusing[0], request([9]))

    asyncio.run(scenario())
