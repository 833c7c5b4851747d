"""An event loop in a thread, for callers that have none."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from duihua.errors import EngineDead
from duihua.events import Event

__all__ = ["Loop"]

_T = TypeVar("_T")

_PATIENCE: Final = 5.0  # seconds in which cancelled work has to end


class _Job(Generic[_T]):
    """Work in the loop. Its outcome is known only when it has really ended, cancelled or not."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, _T]) -> None:
        """Nothing runs yet, so an interrupt finds a job that it can cancel, or none."""
        self.outcome: Future[_T] = Future()
        self._loop = loop
        self._work = work
        self._task: asyncio.Task[_T] | None = None

    def start(self) -> None:
        """Let it run."""
        self._loop.call_soon_threadsafe(self._start)

    def cancel(self) -> None:
        """Ask it to end; from any thread, and of a loop that may have ended."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._cancel)

    def drop(self) -> None:
        """Forget work that was refused."""
        self._work.close()
        self.outcome.cancel()

    def _start(self) -> None:
        self._task = self._loop.create_task(self._work)
        self._task.add_done_callback(self._finish)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        elif not self.outcome.done():  # interrupted before it was started
            self._work.close()
            self.outcome.cancel()

    def _finish(self, task: asyncio.Task[_T]) -> None:
        if task.cancelled():
            self.outcome.cancel()
        elif (error := task.exception()) is not None:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(task.result())


class Loop:
    """An event loop in a thread of its own, on which everything of one model runs.

    Work given to it after it was closed, or in a forked child, is refused by `EngineDead`. It closes itself when
    it is forgotten and when the interpreter ends.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="duihua-model", daemon=True)
        self._process = os.getpid()
        self._closed = False
        self._submitting = threading.RLock()  # an iterator that is collected meanwhile submits too
        self._closing = threading.Lock()
        self._thread.start()
        self._stop = weakref.finalize(self, _stop, self._loop, self._thread, self._process)

    @property
    def is_open(self) -> bool:
        """Whether it can still be given work."""
        return not self._closed and os.getpid() == self._process and self._stop.alive

    def check_open(self) -> None:
        """Refuse work that could never run.

        Raises:
            EngineDead: closed, or this is a forked child.
        """
        if os.getpid() != self._process:
            raise EngineDead("the model was loaded in another process: load it in this one")
        if not self.is_open:
            raise EngineDead("the model was closed")

    def run(self, work: Coroutine[Any, Any, _T], *, timeout: float | None = None) -> _T:
        """Run there, wait here; an interrupt here cancels it there, and is raised when that has ended.

        Args:
            work: closed when it is refused.
            timeout: seconds after which it is cancelled.

        Raises:
            EngineDead: closed before or meanwhile, or this is a forked child.
            TimeoutError: it took too long.
        """
        job = _Job(self._loop, work)
        try:
            self._submit(job)
            return job.outcome.result(timeout)
        except CancelledError:
            self.check_open()
            raise
        except BaseException:
            if not job.outcome.done():
                job.cancel()
                with suppress(CancelledError, Exception):
                    job.outcome.result(_PATIENCE)
            raise

    async def hand_over(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run there, await here; cancelling here cancels it there, and goes on when that has ended.

        Raises:
            EngineDead: as of `run`.
        """
        job = _Job(self._loop, work)
        self._submit(job)
        outcome = asyncio.wrap_future(job.outcome)
        try:
            return await asyncio.shield(outcome)
        except asyncio.CancelledError:
            if job.outcome.cancelled():
                self.check_open()
            job.cancel()
            await asyncio.wait([outcome], timeout=_PATIENCE)
            raise

    def call(self, function: Callable[[], _T]) -> _T:
        """Call there: what a chat keeps of prompts for its loop belongs to that thread."""

        async def work() -> _T:
            return function()

        return self.run(work())

    def iterate(self, stream: AsyncGenerator[Event]) -> Iterator[Event]:
        """Iterate here over a generator that runs there."""
        try:
            while (event := self.run(_next(stream))) is not None:
                yield event
        finally:
            self._let_go(stream)

    async def aiterate(self, stream: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        """Iterate in this event loop over a generator that runs in that one."""
        try:
            while (event := await self.hand_over(_next(stream))) is not None:
                yield event
        finally:
            with suppress(EngineDead):  # closed meanwhile, and the generator with it
                await self.hand_over(stream.aclose())

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Stop the loop and its thread. From several threads, and twice: each returns when it is stopped.

        Args:
            last: makes what still runs there, once, after which running work is cancelled.
        """
        if os.getpid() != self._process:
            return
        with self._closing:
            if not self.is_open:
                return
            with self._submitting:
                job = None if last is None else _Job(self._loop, last())
                if job is not None:
                    job.start()
                self._closed = True
            try:
                if job is not None:
                    job.outcome.result()
            finally:
                self._stop()

    def _submit(self, job: _Job[Any]) -> None:
        try:
            self.check_open()
            with self._submitting:
                self.check_open()
                job.start()
        except EngineDead:
            job.drop()
            raise

    def _let_go(self, stream: AsyncGenerator[Event]) -> None:
        """Close a generator; wait for that where it cannot be for ever."""
        if not self.is_open:
            return
        if threading.current_thread() is self._thread:  # collected as garbage there
            self._submit(_Job(self._loop, stream.aclose()))
            return
        with suppress(EngineDead, TimeoutError):
            self.run(stream.aclose(), timeout=_PATIENCE)


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread, process: int) -> None:
    if os.getpid() != process:
        return
    asyncio.run_coroutine_threadsafe(_wind_up(loop), loop)
    if threading.current_thread() is not thread:
        thread.join()
        loop.close()


async def _wind_up(loop: asyncio.AbstractEventLoop) -> None:
    """Let work hear of the end, cancel what has not, and stop.

    A generator that its reader's thread forgets is closed by a task of its own, whenever that thread comes to it. So
    all are closed here, before the loop stops, and what was forgotten just before is waited for.
    """
    for patience in (0.2, _PATIENCE):
        await _end_tasks(patience)
    await loop.shutdown_asyncgens()
    await asyncio.sleep(0)  # such a task may not have been made yet
    await _end_tasks(_PATIENCE)
    loop.stop()


async def _end_tasks(patience: float) -> None:
    """Wait for every other task, so many seconds, and cancel the late ones."""
    if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        _, late = await asyncio.wait(tasks, timeout=patience)
        for task in late:
            task.cancel()


async def _next(stream: AsyncGenerator[Event]) -> Event | None:
    return await anext(stream, None)
