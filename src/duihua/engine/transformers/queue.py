"""Who waits, in which order, and how many may; and what else the worker is asked to do."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from duihua.engine.transformers.track import Track
from duihua.errors import AdapterRejected, EngineBusy, EngineDead, EngineError

__all__ = ["Errand", "FairQueue"]


class Errand:
    """Work for the worker thread between two steps."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.outcome: Future[Any] = Future()
        self._work = work

    def run(self) -> None:
        """Do it, unless its outcome was cancelled; in the worker thread.

        Raises:
            BaseException: what the work raised, other than a refusal: the engine must end.
        """
        if not self.outcome.set_running_or_notify_cancel():
            return
        try:
            result = self._work()
        except AdapterRejected as error:
            self.outcome.set_exception(error)
        except BaseException as error:
            self.outcome.set_exception(EngineDead(f"the engine stopped: {type(error).__name__}: {error}"))
            raise
        else:
            self.outcome.set_result(result)

    def refuse(self, error: EngineError) -> None:
        """Say that it will never be done."""
        if self.outcome.set_running_or_notify_cancel():
            self.outcome.set_exception(error)


class FairQueue:
    """Requests inside the engine: those that wait, by priority and then arrival, and those in service.

    The caller's side enters and closes, from any thread; everything else is the worker's.
    """

    def __init__(self, *, limit: int) -> None:
        """Admit at most `limit` requests, waiting and in service together."""
        self._limit = limit
        self._inside: set[Track] = set()
        self._waiting: list[Track] = []
        self._errands: deque[Errand] = deque()
        self._arrivals = 0
        self._end: str | None = None
        self._closing = False
        self._changed = threading.Condition()

    def enter(self, track: Track) -> None:
        """Let a request in.

        Raises:
            EngineBusy: too many are inside.
            EngineDead: the engine has ended.
        """
        with self._changed:
            self._refuse()
            self._arrivals += 1
            track.arrival = self._arrivals
            self._inside.add(track)
            self._waiting.append(track)
            self._changed.notify()

    def check(self) -> None:
        """Refuse what would not be let in now, before something is made for it.

        Raises:
            EngineBusy, EngineDead: see `enter`.
        """
        with self._changed:
            self._refuse()

    def send(self, errand: Errand) -> None:
        """Have something done before the next step.

        Raises:
            EngineDead: the engine has ended.
        """
        with self._changed:
            self._refuse_if_ended()
            self._errands.append(errand)
            self._changed.notify()

    def next_errand(self) -> Errand | None:
        """What is to be done first, None when there is nothing but requests."""
        with self._changed:
            return self._errands.popleft() if self._errands else None

    def holds(self, adapter: int) -> bool:
        """Whether a request under these weights is inside."""
        with self._changed:
            return any(track.adapter == adapter for track in self._inside)

    def first(self) -> Track | None:
        """Whose turn it is."""
        with self._changed:
            return min(self._waiting, key=lambda track: track.turn, default=None)

    def serve(self, track: Track) -> None:
        """Take a request out of the waiting ones."""
        with self._changed:
            self._waiting.remove(track)

    def put_back(self, track: Track) -> None:
        """Let a request in service wait again, at its old place."""
        with self._changed:
            self._waiting.append(track)

    def leave(self, track: Track) -> None:
        """Forget a request that ended."""
        with self._changed:
            self._inside.discard(track)

    def drop_cancelled(self) -> None:
        """Forget waiting requests that nobody listens to."""
        with self._changed:
            gone = [track for track in self._waiting if track.cancelled]
            self._waiting = [track for track in self._waiting if not track.cancelled]
            self._inside.difference_update(gone)

    def wait(self) -> bool:
        """Wait until there is something to do; False when the engine shall end."""
        with self._changed:
            self._changed.wait_for(lambda: self._inside or self._errands or self._closing)
            return not self._closing

    def close(self) -> None:
        """Tell the worker to end; later requests are refused."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def bury(self, epitaph: str) -> list[tuple[Track, EngineError]]:
        """End for ever, and refuse what was still to be done.

        Returns:
            An error for every request that was inside.
        """
        with self._changed:
            self._end = epitaph
            inside, self._inside, self._waiting = self._inside, set(), []
            errands, self._errands = self._errands, deque[Errand]()
        for errand in errands:
            errand.refuse(EngineDead(epitaph))
        return [(track, EngineDead(epitaph)) for track in inside]

    def _refuse(self) -> None:
        self._refuse_if_ended()
        if len(self._inside) >= self._limit:
            raise EngineBusy(f"{len(self._inside)} requests run or wait, which is the limit: try again later")

    def _refuse_if_ended(self) -> None:
        if self._end is not None or self._closing:
            raise EngineDead(self._end or "the engine was closed")
