"""What a server knows of its engine's health."""

from __future__ import annotations

import asyncio
import logging

import pytest

from chat.talk import chat, engine
from duihua.engine.protocol import Engine
from duihua.engine.scripted import ScriptedEngine
from duihua.engine.supervised import SupervisedEngine
from duihua.errors import EngineBusy, EngineDead, EngineError, GenerationFailed
from server.asgi import Gate, Server, serving


def test_an_engine_that_never_answered_is_asked_for_one_token() -> None:
    async def whole() -> None:
        over = engine("hello", "hello")
        server = Server(chat(over))
        assert await server.service.is_ready()
        assert [request.decoding.max_tokens for request in over.requests] == [1]
        assert await server.service.is_ready()  # it answered just now: it is not asked again
        assert len(over.requests) == 1

    asyncio.run(whole())


def test_an_answer_is_a_sign_of_life() -> None:
    async def whole() -> int:
        over = engine("hello")
        server = Server(chat(over))
        await server.chat()
        assert await server.service.is_ready()
        return len(over.requests)

    assert asyncio.run(whole()) == 1


def test_many_who_ask_at_once_ask_the_engine_once() -> None:
    async def whole() -> int:
        gate = Gate(0)
        over = engine("hello", gate=gate)
        server = Server(chat(over))
        asking = [asyncio.create_task(server.service.is_ready()) for _ in range(20)]
        await gate.reached.wait()
        gate.release(1)
        assert all(await asyncio.gather(*asking))
        return len(over.requests)

    assert asyncio.run(whole()) == 1


@pytest.mark.parametrize(
    ("error", "is_ready"), [(EngineBusy("full"), True), (GenerationFailed("x"), False), (EngineDead("x"), False)]
)
def test_a_full_engine_is_ready_and_a_failing_one_is_not(error: EngineError, is_ready: bool) -> None:
    async def whole() -> bool:
        server = Server(chat(engine("hello", failure=(0, error))))
        return await server.service.is_ready()

    assert asyncio.run(whole()) is is_ready


def test_a_death_that_an_answer_saw_makes_it_unready_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def whole() -> list[int]:
        server = Server(chat(ScriptedEngine(lambda _: [5, 6, 7], failure=(1, EngineDead("it fell over")))))
        before = (await server.fetch("GET", "/ready")).status
        await server.chat(stream=True)
        after = [(await server.fetch("GET", "/ready")).status for _ in range(3)]
        assert b"duihua_ready 0" in (await server.fetch("GET", "/metrics")).body
        await server.service.aclose()
        return [before, *after]

    with caplog.at_level(logging.WARNING, "duihua.server"):
        assert asyncio.run(whole()) == [200, 503, 503, 503]
    assert len([record for record in caplog.records if "it fell over" in record.getMessage()]) == 1


async def unused() -> Engine:
    raise AssertionError("it is not to be started again")


def test_an_engine_that_is_given_up_is_told_of_everywhere(caplog: pytest.LogCaptureFixture) -> None:
    async def whole() -> None:
        mortal = ScriptedEngine(lambda _: [5, 6, 7], failure=(1, EngineDead("it fell")))
        server = Server(chat(SupervisedEngine(mortal, unused, restarts=0)))  # pyright: ignore[reportArgumentType]  as good an engine
        replies = [await server.chat(), await server.chat(stream=True)]
        replies += [await server.fetch("GET", path) for path in ("/health", "/ready")]
        for reply in replies:
            assert (reply.status, reply.error["code"]) == (503, "engine_dead")
            assert "is not started again: restart this server" in reply.error["message"]
            assert "retry-after" not in reply.headers
        assert b"duihua_ready 0" in (await server.fetch("GET", "/metrics")).body

    with caplog.at_level(logging.ERROR, "duihua.server"):
        asyncio.run(whole())
    said = [record.getMessage() for record in caplog.records if record.name == "duihua.server"]
    assert [line.count("--restart-engine") for line in said] == [0, 1]


def test_a_server_whose_engine_is_started_again_is_alive() -> None:
    async def whole() -> None:
        server = Server(chat(ScriptedEngine(lambda _: [5, 6, 7], failure=(1, EngineDead("it fell")))))
        reply = await server.chat()
        assert "is being started again" in reply.error["message"]
        assert int(reply.headers["retry-after"]) > 0
        assert (await server.fetch("GET", "/health")).status == 200
        await server.service.aclose()

    asyncio.run(whole())


def test_an_engine_that_came_back_is_ready() -> None:
    async def whole() -> list[bool]:
        over = ScriptedEngine(lambda _: [5, 6, 7], failure=(0, GenerationFailed("x")))
        server = Server(chat(over))
        return [await server.service.is_ready() for _ in range(2)]

    assert asyncio.run(whole()) == [False, True]


def test_a_server_that_ends_is_not_ready() -> None:
    async def whole() -> bool:
        server = serving()
        await server.service.running.drain(0)
        return await server.service.is_ready()

    assert not asyncio.run(whole())


def test_what_was_spawned_ends_with_the_service() -> None:
    async def whole() -> bool:
        server = serving()
        task = server.service.spawn(asyncio.sleep(3600))
        await asyncio.sleep(0)
        await server.service.aclose()
        return task.cancelled()

    assert asyncio.run(whole())


def test_while_an_engine_is_started_again_requests_are_refused_at_once_and_then_answered() -> None:
    async def whole() -> None:
        started = asyncio.Event()
        first = ScriptedEngine(lambda _: [5, 6, 7], failure=(1, EngineDead("it fell over")))

        async def another() -> Engine:
            await started.wait()
            return engine("hello world", "hello world")

        server = Server(chat(SupervisedEngine(first, another)))
        assert (await server.chat()).status == 503
        for _ in range(3):
            refused = await server.chat()
            assert (refused.status, refused.error["code"]) == (503, "engine_dead")
            assert int(refused.headers["retry-after"]) > 0
        assert (await server.chat(temperature=-1)).status == 400  # which no engine will mend
        started.set()
        async with asyncio.timeout(10):
            while not await server.service.is_ready():  # noqa: ASYNC110  nothing says so
                await asyncio.sleep(0)
        assert (await server.chat()).status == 200
        await server.service.aclose()

    asyncio.run(whole())
