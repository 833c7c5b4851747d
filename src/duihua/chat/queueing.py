"""Waiting for room in the engine's queue, for a turn that has begun and would be lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, TypeVar

from duihua.errors import EngineBusy

__all__ = ["once_there_is_room"]

T = TypeVar("T")

_AGAIN: Final = 0.02  # seconds until a full queue is asked again


async def once_there_is_room(ask: Callable[[], AsyncGenerator[T]], *, seconds: float) -> AsyncGenerator[T]:
    """What `ask` gives, asked again while the queue is full; an engine says so before anything else.

    Args:
        ask: begins anew each time.
        seconds: that may be waited.

    Raises:
        EngineBusy: the queue stayed full.
    """
    now = asyncio.get_running_loop().time
    over = now() + seconds
    while True:
        try:
            async with aclosing(ask()) as items:
                async for item in items:
                    yield item
        except EngineBusy:
            if now() >= over:
                raise
            await asyncio.sleep(_AGAIN)
        else:
            return
