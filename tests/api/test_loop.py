from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest

from duihua.api.loop import Loop
from duihua.errors import EngineDead


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


class Stream:
    """Events that never come, and how their waiting ended; it takes its time to end."""

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self.ended: list[str] = []

    async def events(self) -> AsyncGenerator[Any]:
        try:
            self.waiting.set()
            await asyncio.Event().wait()
            yield None
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            self.ended.append("ended")


def test_an_interrupt_is_raised_when_the_cancelled_work_has_ended(loop: Loop) -> None:
    stream = Stream()

    def interrupt() -> None:
        stream.waiting.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        next(loop.iterate(stream.events()))
    assert stream.ended == ["ended"]


def test_cancelling_a_waiting_task_goes_on_when_the_work_has_ended(loop: Loop) -> None:
    stream = Stream()

    async def scenario() -> None:
        task = asyncio.ensure_future(anext(loop.aiterate(stream.events())))
        await asyncio.to_thread(stream.waiting.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stream.ended == ["ended"]

    asyncio.run(scenario())


def test_who_waits_when_it_is_closed_is_told(loop: Loop) -> None:
    stream = Stream()
    heard: list[str] = []

    def wait() -> None:
        try:
            next(loop.iterate(stream.events()))
        except EngineDead as error:
            heard.append(str(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    stream.waiting.wait()
    loop.close()
    waiting.join(10)
    assert heard == ["the model was closed"]
    assert stream.ended == ["ended"]


def test_work_that_is_refused_is_closed(loop: Loop) -> None:
    loop.close()

    async def work() -> None:
        raise AssertionError("it never runs")

    refused = work()
    with pytest.raises(EngineDead, match="closed"):
        loop.run(refused)
    assert refused.cr_frame is None
    assert not loop.is_open


def test_an_iterator_that_is_collected_in_the_loop_does_not_wait_for_it(loop: Loop) -> None:
    closed = threading.Event()

    async def events() -> AsyncGenerator[Any]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    kept = [loop.iterate(events())]
    assert next(kept[0]) == 1
    loop.call(kept.clear)
    assert closed.wait(10)


def test_a_loop_that_is_forgotten_stops() -> None:
    before = set(threading.enumerate())
    forgotten = Loop()
    (thread,) = set(threading.enumerate()) - before
    del forgotten
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_what_nobody_closed_is_closed_with_the_loop(loop: Loop) -> None:
    ended: list[str] = []

    async def events() -> AsyncGenerator[Any]:
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(0)
            ended.append(threading.current_thread().name)

    kept = loop.iterate(events())
    assert next(kept) == 1
    loop.close()
    assert ended == ["duihua-model"]
