"""Several answers to one prompt, as one stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from duihua.chat.answer import Answer
from duihua.events import Event, TurnStarted

__all__ = ["best", "in_turn"]


def in_turn(streams: Sequence[AsyncGenerator[Event]]) -> AsyncGenerator[Event]:
    """The events of all streams as they come, after the `TurnStarted` of the first, which knows most.

    Closing closes every stream; the first error of one ends them all.
    """
    return streams[0] if len(streams) == 1 else _in_turn(streams)


async def _in_turn(streams: Sequence[AsyncGenerator[Event]]) -> AsyncGenerator[Event]:
    early: list[Event] | None = []
    async with aclosing(_together(streams)) as together:
        async for number, event in together:
            if isinstance(event, TurnStarted):
                if number == 0 and early is not None:
                    yield event
                    for held in early:
                        yield held
                    early = None
            elif early is None:
                yield event
            else:
                early.append(event)


async def _together(streams: Sequence[AsyncGenerator[Event]]) -> AsyncGenerator[tuple[int, Event]]:
    """(number of the stream, event) of all streams as they come."""
    queue: asyncio.Queue[tuple[int, Event | BaseException | None]] = asyncio.Queue()
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
    streams: Sequence[AsyncGenerator[Event]], answers: Sequence[Answer], count: int
) -> AsyncGenerator[Event]:
    """The events of the `count` answers with the highest mean log-probability, best first, once all are whole."""
    events: list[Event] = []
    async with aclosing(in_turn(streams)) as together:
        async for event in together:
            if isinstance(event, TurnStarted):
                yield event
            else:
                events.append(event)
    ranked = sorted(answers, key=lambda answer: answer.logprob_sum / max(answer.completion_tokens, 1), reverse=True)
    for place, answer in enumerate(ranked[:count]):
        for event in events:
            if event.choice == answer.choice:  # pyright: ignore[reportAttributeAccessIssue]  only TurnStarted has none
                yield replace(event, choice=place)


async def _pour(
    number: int, stream: AsyncGenerator[Event], queue: asyncio.Queue[tuple[int, Event | BaseException | None]]
) -> None:
    try:
        async with aclosing(stream):
            async for event in stream:
                queue.put_nowait((number, event))
    except Exception as error:  # noqa: BLE001  it travels to the reader
        queue.put_nowait((number, error))
    else:
        queue.put_nowait((number, None))
