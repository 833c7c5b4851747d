"""An engine that is started again after it died."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Self

from duihua.engine.protocol import Engine, EngineInfo
from duihua.errors import EngineDead
from duihua.events import Chunk
from duihua.request import GenerationRequest

__all__ = ["Factory", "SupervisedEngine"]

_log = logging.getLogger(__name__)

Factory = Callable[[], Awaitable[Engine]]


class SupervisedEngine:
    """Wraps an engine; when it dies, the next request finds a new one, with the same adapters.

    The requests that were running when it died get its `EngineDead`. It may be used from several event loops.
    """

    def __init__(self, engine: Engine, factory: Factory, *, restarts: int = 3) -> None:
        """Watch over a started engine.

        Args:
            engine: the first one.
            factory: starts another like it.
            restarts: deaths in a row, no request finishing in between, after which it is given up.
        """
        self._engine = engine
        self._factory = factory
        self._restarts = restarts
        self._failures = 0
        self._adapters: dict[str, Path] = {}
        self._info = engine.info
        self._lock = threading.Lock()
        self._dead = False
        self._closed = False
        self._rebuilding: Future[Engine] | None = None
        self._builder: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, factory: Factory, *, restarts: int = 3) -> Self:
        """Start the first engine and watch over it.

        Raises:
            ConfigError, ModelError: what the factory raises the first time.
        """
        return cls(await factory(), factory, restarts=restarts)

    @property
    def info(self) -> EngineInfo:
        """See `Engine.info`; that of the first engine."""
        return self._info

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        """See `Engine.generate`.

        Raises:
            EngineDead: the engine died under this request, or cannot be started again.
        """
        engine = await self._living()
        try:
            async with aclosing(engine.generate(request)) as chunks:
                async for chunk in chunks:
                    if chunk.finish_reason is not None:
                        self._failures = 0
                    yield chunk
        except EngineDead as error:
            self._mark_dead(engine)
            error.is_final = self._is_given_up
            raise

    async def load_adapter(self, name: str, path: Path) -> None:
        """See `Engine.load_adapter`."""
        engine = await self._living()
        await engine.load_adapter(name, path)
        self._adapters[name] = path

    async def unload_adapter(self, name: str) -> None:
        """See `Engine.unload_adapter`."""
        engine = await self._living()
        await engine.unload_adapter(name)
        self._adapters.pop(name, None)

    async def aclose(self) -> None:
        """See `Engine.aclose`; nothing is started again afterwards."""
        with self._lock:
            self._closed = True
            rebuilding = self._rebuilding
        if rebuilding is not None:
            with suppress(EngineDead):
                await asyncio.shield(asyncio.wrap_future(rebuilding))
        await self._engine.aclose()

    @property
    def _is_given_up(self) -> bool:
        return self._dead and self._failures > self._restarts

    def _mark_dead(self, engine: Engine) -> None:
        with self._lock:
            if engine is self._engine and not self._dead:
                self._dead = True
                self._failures += 1

    async def _living(self) -> Engine:
        """The engine, or its successor, which is built once for all that wait; any of them may leave."""
        with self._lock:
            if self._closed:
                raise EngineDead("the engine was closed")
            if not self._dead:
                return self._engine
            if self._is_given_up:
                raise EngineDead(
                    f"the engine died {self._failures} times in a row: start it again by hand", is_final=True
                )
            rebuilding = self._rebuilding
            if rebuilding is None:
                rebuilding = self._rebuilding = Future[Engine]()
                self._builder = asyncio.create_task(self._rebuild(rebuilding))
        return await asyncio.shield(asyncio.wrap_future(rebuilding))

    async def _rebuild(self, outcome: Future[Engine]) -> None:
        _log.warning("the engine died; starting it again (%d of %d)", self._failures, self._restarts)
        try:
            await self._engine.aclose()
            engine = await self._successor()
        except BaseException as error:
            self._give_up(outcome, error)
            if not isinstance(error, Exception):
                raise
            return
        with self._lock:
            closed = self._closed
            if not closed:
                self._engine, self._dead, self._rebuilding = engine, False, None
        if not closed:
            outcome.set_result(engine)
            return
        try:
            await engine.aclose()
        finally:
            outcome.set_exception(EngineDead("the engine was closed"))

    async def _successor(self) -> Engine:
        engine = await self._factory()
        try:
            for name, path in self._adapters.items():
                await engine.load_adapter(name, path)
        except BaseException:
            await engine.aclose()
            raise
        return engine

    def _give_up(self, outcome: Future[Engine], error: BaseException) -> None:
        """Tell everybody why there is no engine; whoever asks next tries again."""
        dead = EngineDead(f"the engine died and could not be started again: {str(error) or type(error).__name__}")
        dead.__cause__ = error
        with self._lock:
            self._failures += isinstance(error, Exception)
            dead.is_final = self._is_given_up
            self._rebuilding = None
        outcome.set_exception(dead)
