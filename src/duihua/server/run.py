"""Listens until it is told to end, then lets what runs come to its end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import uvicorn

from duihua.errors import ConfigError
from duihua.server.app import App
from duihua.server.connection import bounded
from duihua.server.exchange import Receive, Scope, Send
from duihua.server.service import Service
from duihua.server.settings import ServeSettings

__all__ = ["bound_socket", "new_loop", "serve"]

_log = logging.getLogger("duihua.server")
_ENDING: Final = (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
_BACKLOG: Final = 2048
_LAST_PORT: Final = 65_535
_LONGEST_IDLE: Final = 86_400.0  # seconds; infinity cannot be rounded


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop for a server: uvloop's, where there is one."""
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def bound_socket(settings: ServeSettings) -> socket.socket:
    """A socket at the address of these settings; nobody is answered before it is served.

    Raises:
        ConfigError: the address is taken or none of this machine's, or the TLS files are none.
    """
    _check_tls(settings)
    host, port = settings.host, settings.port
    if port > _LAST_PORT:  # the resolver would take what is left of it after 65,536
        raise ConfigError(f"--port {port} is none: give a number up to {_LAST_PORT}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"--host {host} is no address of this machine: {_reason(error)}") from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        made.close()
        raise _taken(settings, error) from error
    made.setblocking(False)  # noqa: FBT003  so it is named
    return made


async def serve(service: Service, listening: socket.socket, on_listening: Callable[[str], None]) -> None:
    """Serve until SIGTERM, SIGHUP or Ctrl-C, then drain.

    The first signal refuses new requests and lets running ones go on for `drain_seconds`; a second one ends them
    at once. Streams end with an error event.

    Args:
        listening: see `bound_socket`; closed at the end.
        on_listening: told the base URL when requests are taken.

    Raises:
        ConfigError: another program took the address meanwhile.
    """
    settings = service.settings
    config = uvicorn.Config(
        _without_traces(App(service)),
        http=bounded(settings.max_header_bytes, settings.keep_alive_seconds),
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
        ssl_certfile=_path(settings.tls_cert),
        ssl_keyfile=_path(settings.tls_key),
    )
    scheme = "https" if settings.tls_cert else "http"
    server = _Uvicorn(config, lambda: on_listening(f"{scheme}://{_address(listening)}"))
    ending = _Ending(service, server)
    with suppress(NotImplementedError):
        for number in _ENDING:
            asyncio.get_running_loop().add_signal_handler(number, ending.hear)
    try:
        await server.serve(sockets=[listening])
    except OSError as error:
        raise _taken(settings, error) from error
    finally:
        listening.close()
        await service.aclose()


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


def _check_tls(settings: ServeSettings) -> None:
    if settings.tls_cert is None or settings.tls_key is None:
        return
    cert, key = _path(settings.tls_cert), _path(settings.tls_key)
    try:  # with a passphrase at hand, so that OpenSSL does not ask for one at the terminal
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert or "", key, password="")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--tls-cert {cert} and --tls-key {key} cannot be used: {_reason(error)}; give a certificate and its key "
            "as PEM, without a passphrase"
        ) from error


def _taken(settings: ServeSettings, error: Exception) -> ConfigError:
    return ConfigError(
        f"cannot listen at {settings.host}:{settings.port}: {_reason(error)}; choose another --host or --port"
    )


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _path(text: str | None) -> str | None:
    return None if text is None else str(Path(text).expanduser())
