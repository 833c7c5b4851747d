"""What runs in a server: admitted, counted, and ended when it has to be."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from duihua.errors import DuihuaError, EngineBusy
from duihua.server.failures import Refusal

__all__ = ["Job", "Running"]


class Job:
    """One request that runs.

    Attributes:
        has_begun: its first token is there.
        ended_by: why it was told to end, where it was.
    """

    def __init__(self) -> None:
        self.has_begun = False
        self.ended_by: DuihuaError | None = None
        self.client_left = False
        self._task = asyncio.current_task()

    def end(self, error: DuihuaError | None) -> None:
        """Cancel it; without an error its client has left."""
        if self._task is None or self.ended_by is not None or self.client_left:
            return
        self.ended_by, self.client_left = error, error is None
        self._task.cancel()

    def settle(self) -> None:
        """It comes to its end by itself now; `end` does nothing more."""
        self._task = None

    def is_cancelled_by_us(self) -> bool:
        """Whether a cancellation that arrived is that of `end`, which it then takes back."""
        if self.ended_by is None and not self.client_left:
            return False
        if self._task is not None:
            self._task.uncancel()
        return True


class Running:
    """The requests of one server.

    Args:
        max_waiting: requests without a first token, beyond which others are refused.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._jobs: set[Job] = set()
        self._all_done = asyncio.Event()
        self._all_done.set()
        self.is_draining = False

    @property
    def count(self) -> int:
        """Requests that run or wait."""
        return len(self._jobs)

    @property
    def waiting(self) -> int:
        """Of these, those without a first token."""
        return sum(not job.has_begun for job in self._jobs)

    @contextmanager
    def job(self) -> Generator[Job]:
        """Admit a request, for as long as the block lasts.

        Raises:
            Refusal: the server is ending.
            EngineBusy: too many requests wait.
        """
        if self.is_draining:
            raise ending()
        if self.waiting >= self._max_waiting:
            raise EngineBusy(f"{self.waiting} requests wait, which is this server's limit: try again later")
        job = Job()
        self._jobs.add(job)
        self._all_done.clear()
        try:
            yield job
        finally:
            self._jobs.discard(job)
            if not self._jobs:
                self._all_done.set()

    async def drain(self, seconds: float) -> None:
        """Admit nothing more, let what runs go on for so long, then end it."""
        self.is_draining = True
        if await self._finishes(seconds):
            return
        self.end_all()
        await self._finishes(5.0)

    def end_all(self) -> None:
        """End everything that runs, with an error."""
        self.is_draining = True
        for job in tuple(self._jobs):
            job.end(ending())

    async def _finishes(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._all_done.wait()
        except TimeoutError:
            return False
        return True


def ending() -> Refusal:
    """What is told while the server ends."""
    return Refusal(503, "server_ending", "this server is ending: ask another one", headers={"retry-after": "5"})
