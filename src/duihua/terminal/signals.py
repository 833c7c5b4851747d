"""Ctrl-C stops what runs; a request to end, or a terminal that goes away, ends everything cleanly."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, Final, Self

__all__ = ["Interrupt", "leaving_at_once", "run_to_end"]

_ENDING: Final = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupt:
    """Inside it, Ctrl-C cancels what the task awaits, once, and goes no further.

    Attributes:
        happened: whether it did.
    """

    def __init__(self) -> None:
        self.happened = False
        self._task: asyncio.Task[Any] | None = None
        self._before: Any = None

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self._before = signal.getsignal(signal.SIGINT)
        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._cancel)
        except NotImplementedError:  # Windows: handlers run between bytecodes of the main thread
            loop = asyncio.get_running_loop()
            signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(self._cancel))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        with suppress(NotImplementedError):
            asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, self._before)
        if not self.happened or self._task is None:
            return False
        # Another cancellation, from whoever ends the task, is not ours to swallow.
        return self._task.uncancel() == 0 and kind is not None and issubclass(kind, asyncio.CancelledError)

    def _cancel(self) -> None:
        if not self.happened and self._task is not None:
            self.happened = True
            self._task.cancel()


@contextmanager
def leaving_at_once(before: Callable[[], None]) -> Generator[None]:
    """Inside it, Ctrl-C and requests to end do so at once: a model is loaded in threads that cannot be stopped.

    The exit code is 128 + n after signal n.

    Args:
        before: called first, to leave the screen in order.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        del frame
        before()
        os._exit(128 + number)

    previous = {number: signal.signal(number, leave) for number in (signal.SIGINT, *_ENDING)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run_to_end(
    main: Coroutine[Any, Any, None], *, new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> int:
    """Run a coroutine in a loop of its own; SIGTERM and SIGHUP cancel it. The exit code: 128 + n after signal n.

    Args:
        new_loop: makes the loop, where it is not to be asyncio's own.
    """
    received: list[int] = []

    async def run() -> None:
        task = asyncio.current_task()

        def end(number: int) -> None:
            received.append(number)
            if task is not None and len(received) == 1:
                task.cancel()

        with suppress(NotImplementedError):
            for number in _ENDING:
                asyncio.get_running_loop().add_signal_handler(number, end, number)
        await main

    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(run())
    except asyncio.CancelledError:
        if not received:
            raise
    return 128 + received[0] if received else 0
