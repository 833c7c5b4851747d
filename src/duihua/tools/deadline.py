"""The time of a call, which stands still while a person is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

__all__ = ["Deadline", "deadline", "stopped_clock"]


class Deadline:
    """How long a call may run, and how long it has."""

    def __init__(self, scope: asyncio.Timeout) -> None:
        self._scope = scope
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._stood = 0.0

    @property
    def seconds(self) -> float:
        """Seconds since the start, without those in which the clock stood still."""
        return self._loop.time() - self._started - self._stood

    @contextmanager
    def stopped(self) -> Generator[None]:
        """Stop the clock inside."""
        until, began = self._scope.when(), self._loop.time()
        if until is None or self._scope.expired():  # it stands already, or it is too late
            yield
            return
        self._scope.reschedule(None)
        try:
            yield
        finally:
            stood = self._loop.time() - began
            self._stood += stood
            self._scope.reschedule(until + stood)


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@asynccontextmanager
async def deadline(seconds: float | None) -> AsyncGenerator[Deadline]:
    """Cancel what runs inside when the time is over; raises TimeoutError then. None: never."""
    async with asyncio.timeout(seconds) as scope:
        made = Deadline(scope)
        token = _current.set(made)
        try:
            yield made
        finally:
            _current.reset(token)


@contextmanager
def stopped_clock() -> Generator[None]:
    """Stop the clock of the call that runs here, if there is one: what happens inside is not the tool's time."""
    running = _current.get()
    if running is None:
        yield
        return
    with running.stopped():
        yield
