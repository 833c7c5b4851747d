"""A full queue is asked again, as long as there is time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from duihua.chat.queueing import once_there_is_room
from duihua.errors import EngineBusy, GenerationFailed


class Queue:
    """Is full for so many askers; then it gives two numbers, unless it fails."""

    def __init__(self, full: int, *, fails: bool = False) -> None:
        self.full, self.fails, self.asked, self.closed = full, fails, 0, 0

    async def ask(self) -> AsyncGenerator[int]:
        self.asked += 1
        if self.asked <= self.full:
            raise EngineBusy("full")
        try:
            yield 1
            if self.fails:
                raise GenerationFailed("x")
            yield 2
        finally:
            self.closed += 1


async def collected(queue: Queue, seconds: float) -> list[int]:
    return [item async for item in once_there_is_room(queue.ask, seconds=seconds)]


def test_a_full_queue_is_asked_until_there_is_room() -> None:
    queue = Queue(3)
    assert asyncio.run(collected(queue, 60.0)) == [1, 2]
    assert queue.asked == 4


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_without_time_it_is_asked_once(seconds: float) -> None:
    queue = Queue(1)
    with pytest.raises(EngineBusy):
        asyncio.run(collected(queue, seconds))
    assert queue.asked == 1
    assert asyncio.run(collected(Queue(0), seconds)) == [1, 2]


def test_other_errors_are_not_asked_again() -> None:
    queue = Queue(0, fails=True)
    with pytest.raises(GenerationFailed):
        asyncio.run(collected(queue, 60.0))
    assert queue.asked == 1


def test_closing_closes_what_was_asked() -> None:
    async def leave(queue: Queue) -> None:
        async with aclosing(once_there_is_room(queue.ask, seconds=60.0)) as items:
            assert await anext(items) == 1

    asyncio.run(leave(queue := Queue(0)))
    assert queue.closed == 1
