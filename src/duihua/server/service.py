"""What the routes of one server share."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Any, Final

from duihua.access import Keys
from duihua.chat.protocol import ChatService
from duihua.errors import DuihuaError, EngineBusy, EngineDead
from duihua.events import TurnStarted
from duihua.messages import Message
from duihua.sampling import Sampling
from duihua.server.failures import engine_ended
from duihua.server.metrics import Metrics
from duihua.server.pictures import Pictures
from duihua.server.running import Running
from duihua.server.settings import ServeSettings
from duihua.server.tools import ServedTools
from duihua.server.trace import Tracer

__all__ = ["Service"]

_log = logging.getLogger("duihua.server")

_FRESH: Final = 10.0  # seconds for which a token proves that the engine answers
_PATIENCE: Final = 10.0  # seconds for a probe of one token
_PROBE: Final = Message("user", "x")


class Service:
    """The chat, the settings, the keys, and what is known of the engine's health. Belongs to one event loop.

    Attributes:
        has_ended: the engine is given up; only another server will answer.
    """

    def __init__(  # noqa: PLR0913  the command alone calls it
        self,
        chat: ChatService,
        settings: ServeSettings,
        *,
        keys: Keys | None = None,
        admin_keys: Keys | None = None,
        defaults: Sampling = Sampling(),
        version: str = "",
        tools: ServedTools | None = None,
    ) -> None:
        """Serve a chat, which stays the caller's to close.

        Args:
            chat: what answers.
            settings: where, and within which bounds.
            keys: that open every path but /health; none: it is open.
            admin_keys: that may load and unload adapters, and open everything else too.
            defaults: sampling of requests that do not say.
            version: of duihua.
            tools: that this server runs itself; they stay the caller's to close.
        """
        self.chat = chat
        self.settings = settings
        self.keys = keys or Keys()
        self.admin_keys = admin_keys or Keys()
        self.defaults = defaults
        self.version = version
        self.tools = tools
        self.tool_schemas = () if tools is None else tools.schemas
        self.tracer = None if settings.trace_endpoint is None else Tracer(settings.trace_endpoint)
        self.pictures = Pictures(settings)
        self.created = int(time.time())
        self.running = Running(settings.max_waiting)
        self.metrics = Metrics(
            running=lambda: self.running.count,
            waiting=lambda: self.running.waiting,
            ready=lambda: not (self._is_dead or self.running.is_draining),
        )
        self.has_ended = False
        self._is_dead = False
        self._complaint = ""
        self._answered = 0.0  # when a token came last
        self._probing: asyncio.Task[bool] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def began(self, event: TurnStarted, seconds: float) -> None:
        """A request got its first token."""
        self._is_dead = False
        self.stepped()
        self.metrics.began(event, seconds)

    def stepped(self) -> None:
        """Tokens came."""
        self._answered = time.monotonic()

    def heard(self, error: DuihuaError) -> None:
        """An answer ended with this error; a dead engine is asked at once, which starts it again."""
        if isinstance(error, EngineDead) and not self._is_dead and not self.running.is_draining:
            self._is_dead = True
            _log.error("the engine died: %s", error)
            if not error.is_final:
                self.spawn(self.is_ready())
        self._give_up(error)

    def check_alive(self) -> None:
        """Refuse what would wait for an engine that is being started again: whoever asks can go elsewhere meanwhile.

        Raises:
            EngineDead: it died, and is asked to come back if it is not yet.
            Refusal: it does not come back.
        """
        if self.has_ended:
            raise engine_ended()
        if self._is_dead:
            self.spawn(self.is_ready())
            raise EngineDead("the engine is being started again")

    async def is_ready(self) -> bool:
        """Whether the engine answers: it did just now, or does so within ten seconds.

        A dead engine is started again by the question; until it is there the answer is no, at once.
        """
        if self.running.is_draining or self.has_ended:
            return False
        if not self._is_dead and time.monotonic() - self._answered < _FRESH:
            return True
        if self._probing is None or self._probing.done():
            self._probing = self.spawn(self._probe())
        done, _ = await asyncio.wait([self._probing], timeout=0 if self._is_dead else _PATIENCE)
        return bool(done) and not self._probing.cancelled() and self._probing.result()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something beside the requests; it is kept until it ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """End what runs beside the requests."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.pictures.close()
        if self.tracer is not None:
            await asyncio.to_thread(self.tracer.close)

    async def _probe(self) -> bool:
        try:
            await self._one_token()
        except EngineBusy:
            return True
        except DuihuaError as error:
            self._is_dead = self._is_dead or isinstance(error, EngineDead)
            self._complain(error)
            self._give_up(error)
            return False
        self._is_dead, self._complaint = False, ""
        self.stepped()
        return True

    def _give_up(self, error: DuihuaError) -> None:
        if isinstance(error, EngineDead) and error.is_final and not self.has_ended:
            self.has_ended = True
            _log.error("the engine is not started again (--restart-engine): /health says 503; restart this server")

    def _complain(self, error: DuihuaError) -> None:
        """Log why the engine does not answer; once, however often that is asked."""
        if (why := str(error)) != self._complaint:
            self._complaint = why
            _log.warning("the engine does not answer: %s", why)

    async def _one_token(self) -> None:
        sampling = Sampling(max_tokens=1, temperature=0.0)
        bursts = self.chat.bursts([_PROBE], sampling)
        async with aclosing(bursts):
            async for _ in bursts:
                return
