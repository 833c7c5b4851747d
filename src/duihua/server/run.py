"""Listens until it is told to end, then lets what runs come to its end."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

import uvicorn

from duihua.server.address import cannot_listen, pem_path, url_of
from duihua.server.app import App
from duihua.server.connection import bounded
from duihua.server.exchange import Receive, Scope, Send
from duihua.server.log import log_refused
from duihua.server.service import Service

__all__ = ["new_loop", "serve"]

_log = logging.getLogger("duihua.server")
_ENDING: Final = (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
_BACKLOG: Final = 2048
_LONGEST_IDLE: Final = 86_400.0  # seconds; infinity cannot be rounded


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop for a server: uvloop's, where there is one."""
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def serve(service: Service, listening: Sequence[socket.socket], on_listening: Callable[[str], None]) -> bool:
    """Serve until SIGTERM, SIGHUP or Ctrl-C, then drain.

    The first signal refuses new requests and lets running ones go on for `drain_seconds`; a second one ends them
    at once. Streams end with an error event.

    Args:
        listening: see `address.bound_sockets`; closed at the end.
        on_listening: told the base URL when requests are taken.

    Returns:
        Whether it was told twice to end: nobody waits for anything more.

    Raises:
        ConfigError: another program took the address meanwhile.
    """
    settings = service.settings
    config = uvicorn.Config(
        _without_traces(App(service)),
        http=bounded(settings.max_header_bytes, settings.keep_alive_seconds, partial(log_refused, service)),
        loop="none",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=max(1, round(min(settings.keep_alive_seconds, _LONGEST_IDLE))),
        timeout_graceful_shutdown=3,
        ssl_certfile=pem_path(settings.tls_cert),
        ssl_keyfile=pem_path(settings.tls_key),
    )
    server = _Uvicorn(config, lambda: on_listening(url_of(settings, listening)))
    ending = _Ending(service, server)
    with suppress(NotImplementedError):
        for number in _ENDING:
            asyncio.get_running_loop().add_signal_handler(number, ending.hear)
    try:
        await server.serve(sockets=list(listening))
    except OSError as error:
        raise cannot_listen(settings, error) from error
    finally:
        for each in listening:
            each.close()
        await service.aclose()
        gc.unfreeze()  # what is left frozen at the interpreter's end, libraries complain of
    return ending.is_hasty


class _Uvicorn(uvicorn.Server):
    """Leaves signals to us, and says when it listens."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.collect()
        gc.freeze()  # a model is a million objects that live as long as the process: never look through them again
        self._on_listening()


def _without_traces(app: App) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The same application; a request that is cancelled when all has to end goes without uvicorn's trace of it."""

    async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return quiet


class _Ending:
    """What signals do."""

    def __init__(self, service: Service, server: uvicorn.Server) -> None:
        self._service = service
        self._server = server
        self._heard = 0

    @property
    def is_hasty(self) -> bool:
        """Whether a second signal came."""
        return self._heard > 1

    def hear(self) -> None:
        """One more signal."""
        self._heard += 1
        if self._heard == 1:
            _log.info("ending: %d answers run; a second signal ends them at once", self._service.running.count)
            self._service.spawn(self._drain())
        else:
            self._service.running.end_all()
            self._server.should_exit = True

    async def _drain(self) -> None:
        await self._service.running.drain(self._service.settings.drain_seconds)
        self._server.should_exit = True
