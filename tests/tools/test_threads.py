"""A synchronous function runs beside the loop; one that is given up runs on, and how many do is bounded."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest

from duihua.errors import ToolFailed
from duihua.tools.threads import Threads


def test_it_gives_what_the_function_gives_and_raises_what_it_raises() -> None:
    def fail() -> None:
        raise SystemExit(3)

    async def work() -> None:
        threads = Threads("t")
        assert await threads.run(lambda: threading.current_thread().name) == "tool t"
        with pytest.raises(SystemExit):
            await threads.run(fail)

    asyncio.run(work())


def test_the_loop_goes_on_and_calls_run_together() -> None:
    async def work() -> None:
        threads, barrier = Threads("t"), threading.Barrier(3)
        assert sorted(await asyncio.gather(*(threads.run(barrier.wait) for _ in range(3)))) == [0, 1, 2]

    asyncio.run(work())


def test_context_variables_reach_the_function() -> None:
    word = contextvars.ContextVar("word", default="")

    async def work() -> None:
        word.set("here")
        assert await Threads("t").run(word.get) == "here"

    asyncio.run(work())


def test_a_call_that_is_given_up_is_counted_until_it_ends() -> None:
    async def work() -> None:
        threads, gate = Threads("t"), threading.Event()
        tasks = [asyncio.create_task(threads.run(gate.wait)) for _ in range(8)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert threads.left == 8
        with pytest.raises(ToolFailed, match="8 calls of it that were given up still run"):
            await threads.run(gate.wait)
        gate.set()
        async with asyncio.timeout(10):
            while threads.left:  # noqa: ASYNC110  the thread tells nobody
                await asyncio.sleep(0)
        assert await threads.run(lambda: 3) == 3

    asyncio.run(work())


def test_a_thread_that_outlives_its_loop_ends_quietly() -> None:
    gate, threads = threading.Event(), Threads("t")

    async def work() -> None:
        task = asyncio.create_task(threads.run(gate.wait))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(work())
    gate.set()
    until = time.monotonic() + 10
    while threads.left and time.monotonic() < until:
        pass
    assert threads.left == 0
