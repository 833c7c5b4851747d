"""A call's time is over when it is over, but for the time in which a person is asked."""

from __future__ import annotations

import asyncio

import pytest

from duihua.tools.deadline import deadline, stopped_clock


def test_what_runs_too_long_is_cancelled() -> None:
    async def work() -> None:
        with pytest.raises(TimeoutError):
            async with deadline(0.01):
                await asyncio.Event().wait()

    asyncio.run(work())


def test_the_clock_stands_still_while_it_is_stopped() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with deadline(0.2) as clock:
            with stopped_clock():
                began = loop.time()
                await asyncio.sleep(0.4)
                stood = loop.time() - began
            assert clock.seconds < stood

    asyncio.run(work())


def test_a_clock_that_was_stopped_goes_on() -> None:
    async def work() -> None:
        async with deadline(0.02):
            with stopped_clock(), stopped_clock():
                await asyncio.sleep(0)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(work())


def test_what_is_done_in_time_is_not_cancelled() -> None:
    async def work() -> None:
        async with deadline(10) as clock:
            await asyncio.sleep(0)
            assert clock.seconds >= 0

    asyncio.run(work())


def test_without_a_deadline_there_is_no_clock_to_stop() -> None:
    with stopped_clock():
        pass


def test_an_endless_one_never_ends() -> None:
    async def work() -> None:
        async with deadline(None):
            with stopped_clock():
                await asyncio.sleep(0)

    asyncio.run(work())
