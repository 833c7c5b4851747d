"""The one thread that computes."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

import torch

from duihua.engine.transformers.outbox import Post
from duihua.engine.transformers.queue import Errand, FairQueue
from duihua.engine.transformers.scheduler import Scheduler

__all__ = ["Worker"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@contextmanager
def _torch_threads(count: int | None) -> Generator[None]:
    """Compute with so many threads for a while; torch has one number for the whole process."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Worker:
    """Steps a scheduler while its queue holds requests; when it ends, however, everybody is told.

    It is ended when the interpreter ends: a thread that computes while that is torn down aborts the process.
    """

    def __init__(self, scheduler: Scheduler, queue: FairQueue, *, threads: int | None) -> None:
        """Start the thread; `threads` is for torch's own below it, None leaves them as they are."""
        self._threads = threads
        self._scheduler = scheduler
        self._queue = queue
        self._thread = threading.Thread(target=self._run, name="duihua-engine", daemon=True)
        self._thread.start()
        weakref.finalize(self, _end, queue, self._thread, os.getpid())

    def ask(self, work: Callable[[Scheduler], _T]) -> Future[_T]:
        """Have something done between two steps, in the worker thread; cancelling works until it has begun.

        Raises:
            EngineDead: the engine has ended.
        """
        errand = Errand(lambda: work(self._scheduler))
        self._queue.send(errand)
        return errand.outcome

    def join(self) -> None:
        """Wait until the thread has ended; close its queue first."""
        self._thread.join()

    def _run(self) -> None:
        epitaph = "the engine was closed"
        try:
            with _torch_threads(self._threads), torch.inference_mode():
                while self._queue.wait():
                    while (errand := self._queue.next_errand()) is not None:
                        errand.run()
                    self._scheduler.step()
        except BaseException as error:  # noqa: BLE001  the edge of the thread: nobody else would hear of it
            _log.exception("the engine stopped")
            epitaph = f"the engine stopped: {type(error).__name__}: {error}"
        del self._scheduler  # and with it the model and all keys and values
        post = Post()
        for track, error in self._queue.bury(epitaph):
            post.add(track.outbox, error)
        post.send()


def _end(queue: FairQueue, thread: threading.Thread, process: int) -> None:
    """At the end of the interpreter, but not of a forked child, whose copy of the queue may be locked for ever."""
    if os.getpid() == process:
        queue.close()
        if threading.current_thread() is not thread:  # collected as garbage there
            thread.join()
