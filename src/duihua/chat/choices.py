"""Several answers to one prompt, as one stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from duihua.chat.answer import Answer
from duihua.chat.protocol import Burst
from duihua.events import TurnStarted

__all__ = ["best", "in_turn"]


def in_turn(streams: Sequence[AsyncGenerator[Burst]]) -> AsyncGenerator[Burst]:
    """The events of all streams as they come, after the `TurnStarted` of the first, which knows most.

    What it says of cached tokens is the least that any has said by then: an engine may begin with another, and then
    the first finds in the cache what this very turn put there.

    Closing closes every stream; the first error of one ends them all.
    """
    return streams[0] if len(streams) == 1 else _in_turn(streams)


async def _in_turn(streams: Sequence[AsyncGenerator[Burst]]) -> AsyncGenerator[Burst]:
    early: Burst | None = []
    cached: list[int] = []
    async with aclosing(_together(streams)) as together:
        async for number, burst in together:
            started = burst[0] if isinstance(burst[0], TurnStarted) else None
            rest = burst[1:] if started is not None else burst
            if started is not None:
                cached.append(started.cached_tokens)
            if number == 0 and started is not None and early is not None:
                yield [replace(started, cached_tokens=min(cached)), *early, *rest]
                early = None
            elif early is not None:
                early += rest
            elif rest:
                yield rest


async def _together(streams: Sequence[AsyncGenerator[Burst]]) -> AsyncGenerator[tuple[int, Burst]]:
    """(number of the stream, burst) of all streams as they come."""
    queue: asyncio.Queue[tuple[int, Burst | BaseException | None]] = asyncio.Queue()
    tasks = [asyncio.create_task(_pour(number, stream, queue)) for number, stream in enumerate(streams)]
    running = len(tasks)
    try:
        while running:
            number, item = await queue.get()
            if item is None:
                running -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield number, item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def best(
    streams: Sequence[AsyncGenerator[Burst]], answers: Sequence[Answer], count: int
) -> AsyncGenerator[Burst]:
    """The events of the `count` answers with the highest mean log-probability, best first, once all are whole."""
    events: Burst = []
    async with aclosing(in_turn(streams)) as together:
        async for burst in together:
            if isinstance(burst[0], TurnStarted):
                yield burst[:1]
            events += [event for event in burst if not isinstance(event, TurnStarted)]
    ranked = sorted(answers, key=lambda answer: answer.logprob_sum / max(answer.completion_tokens, 1), reverse=True)
    for place, answer in enumerate(ranked[:count]):
        # Only TurnStarted and TurnFinished have no choice, and neither is among them.
        yield [replace(event, choice=place) for event in events if getattr(event, "choice", None) == answer.choice]


async def _pour(
    number: int, stream: AsyncGenerator[Burst], queue: asyncio.Queue[tuple[int, Burst | BaseException | None]]
) -> None:
    try:
        async with aclosing(stream):
            async for burst in stream:
                queue.put_nowait((number, burst))
    except Exception as error:  # noqa: BLE001  it travels to the reader
        queue.put_nowait((number, error))
    else:
        queue.put_nowait((number, None))
