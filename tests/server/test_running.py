"""What is admitted, counted, and ended."""

from __future__ import annotations

import asyncio

import pytest

from duihua.errors import DuihuaError, EngineBusy, GenerationFailed
from duihua.server.failures import Refusal
from duihua.server.running import Job, Running


def test_jobs_are_counted_as_long_as_they_last() -> None:
    async def whole() -> None:
        running = Running(5)
        with running.job() as first, running.job():
            assert (running.count, running.waiting) == (2, 2)
            first.has_begun = True
            assert (running.count, running.waiting) == (2, 1)
        assert (running.count, running.waiting) == (0, 0)

    asyncio.run(whole())


def test_only_those_without_a_token_fill_the_queue() -> None:
    async def whole() -> None:
        running = Running(2)
        with running.job() as first, running.job():
            with pytest.raises(EngineBusy), running.job():
                pass
            first.has_begun = True
            with running.job():
                assert running.count == 3

    asyncio.run(whole())


def test_a_job_that_is_ended_knows_why_and_takes_its_cancellation_back() -> None:
    async def whole(error: DuihuaError | None) -> Job:
        running = Running(5)
        with running.job() as job:
            job.end(error)
            job.end(GenerationFailed("later"))
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(0)
            assert job.is_cancelled_by_us()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        return job

    why = GenerationFailed("why")
    assert asyncio.run(whole(why)).ended_by is why
    left = asyncio.run(whole(None))
    assert (left.ended_by, left.client_left) == (None, True)


def test_another_s_cancellation_is_not_ours() -> None:
    async def whole() -> bool:
        running = Running(5)
        with running.job() as job:
            return job.is_cancelled_by_us()

    assert not asyncio.run(whole())


async def work(running: Running, done: asyncio.Event) -> str:
    """A job that lasts until the event, or until it is ended."""
    with running.job() as job:
        try:
            await done.wait()
        except asyncio.CancelledError:
            assert job.is_cancelled_by_us()
            assert isinstance(job.ended_by, Refusal)
            return job.ended_by.code
    return "done"


def test_draining_waits_for_what_runs_and_admits_nothing() -> None:
    async def whole() -> tuple[str, str]:
        running, done = Running(5), asyncio.Event()
        job = asyncio.create_task(work(running, done))
        await asyncio.sleep(0)
        draining = asyncio.create_task(running.drain(60))
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="ending") as refused, running.job():
            pass
        assert not draining.done()
        done.set()
        await draining
        return await job, refused.value.code

    assert asyncio.run(whole()) == ("done", "server_ending")


def test_draining_ends_what_does_not_end() -> None:
    async def whole() -> str:
        running = Running(5)
        job = asyncio.create_task(work(running, asyncio.Event()))
        await asyncio.sleep(0)
        await running.drain(0)
        assert job.done()
        return await job

    assert asyncio.run(whole()) == "server_ending"


def test_draining_of_nothing_is_done_at_once() -> None:
    asyncio.run(Running(5).drain(60))
