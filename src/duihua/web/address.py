"""Where the page listens; taken before anything is loaded."""

from __future__ import annotations

import socket

from duihua.errors import ConfigError
from duihua.web.settings import WebSettings

__all__ = ["bound_socket", "url_of"]


def bound_socket(settings: WebSettings) -> socket.socket:
    """A socket on the address of these settings; nobody is answered before it is served.

    Raises:
        ConfigError: the address is not this machine's, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"--host {settings.host} is no address of this machine: {error.strerror}") from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        made.close()
        raise ConfigError(
            f"the page cannot listen on {settings.host}, port {settings.port}: {error.strerror}; "
            "give another one with --host or --port"
        ) from error
    return made


def url_of(listening: socket.socket) -> str:
    """The address that a browser on this machine opens."""
    name: tuple[str, int] = listening.getsockname()[:2]
    host, port = name
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  every address is not one to open
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
