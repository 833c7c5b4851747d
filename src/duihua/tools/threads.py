"""Synchronous functions beside the event loop, each in a thread of its own.

A thread cannot be ended from outside. A function whose caller went away runs on, and what it gives is dropped; its
thread does not keep the program from ending. How many such threads a function may leave is bounded.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any, Final

from duihua.errors import ToolFailed
from duihua.tools.failure import failure_of

__all__ = ["Threads"]

_MOST_LEFT: Final = 8  # threads that run on after their callers went


class Threads:
    """Calls of one function."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._left = 0
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """How many calls run on although nobody waits for them."""
        return self._left

    async def run(self, function: Callable[[], Any]) -> Any:
        """What a function gives; cancelling leaves it behind.

        Raises:
            ToolFailed: too many calls before were left behind and still run; or the function raised what is no
                `Exception`, such as KeyboardInterrupt.
            Exception, SystemExit: what the function raises.
        """
        if self._left >= _MOST_LEFT:
            raise ToolFailed(f"{self._left} calls of it that were given up still run: it cannot be called now")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
        work = _Work(self, function, loop, done)
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(work.run,), name=f"tool {self._name}", daemon=True).start()
        try:
            value, error = await done
        except asyncio.CancelledError:
            work.leave()
            raise
        if error is not None and not isinstance(error, Exception | SystemExit):  # here it would end the event loop
            raise failure_of(error) from error
        if error is not None:
            raise error
        return value

    def count(self, change: int) -> None:
        """Note that a call was left behind (1), or that such a call has ended (-1)."""
        with self._lock:
            self._left += change


class _Work:
    """One call: it ends, or is left behind, whichever comes first."""

    def __init__(
        self,
        threads: Threads,
        function: Callable[[], Any],
        loop: asyncio.AbstractEventLoop,
        done: asyncio.Future[tuple[Any, BaseException | None]],
    ) -> None:
        self._threads = threads
        self._function = function
        self._loop = loop
        self._done = done
        self._lock = threading.Lock()
        self._has_ended = False
        self._is_left = False

    def run(self) -> None:
        """In the thread: call the function, and hand over what it gives, be it an error."""
        try:
            result = self._function(), None
        except BaseException as error:  # noqa: BLE001  it travels to the caller, SystemExit too
            result = None, error
        with self._lock:
            self._has_ended = True
            if self._is_left:
                self._threads.count(-1)
                return
            try:
                self._loop.call_soon_threadsafe(self._deliver, result)
            except RuntimeError:  # the loop was closed: nobody waits any more
                return

    def leave(self) -> None:
        """Give the call up; it runs on where it has not ended."""
        with self._lock:
            self._is_left = True
            if not self._has_ended:
                self._threads.count(1)

    def _deliver(self, result: tuple[Any, BaseException | None]) -> None:
        if not self._done.done():
            self._done.set_result(result)
