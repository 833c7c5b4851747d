"""Where the server listens: sockets at every address that its host's name has, and the files for TLS."""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from duihua.errors import ConfigError
from duihua.server.settings import ServeSettings

__all__ = ["bound_sockets", "cannot_listen", "pem_path", "url_of"]

_LAST_PORT: Final = 65_535
_TRIES: Final = 20  # to find a port that is free at every address
_ABSENT: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # what IPv6 is where it is switched off


def bound_sockets(settings: ServeSettings) -> list[socket.socket]:
    """A socket at each address that the host of these settings has; nobody is answered before they are served.

    Raises:
        ConfigError: an address is taken, none of this machine's, or open to others without keys; or the TLS files are
            none.
    """
    _check_tls(settings)
    host, port = settings.host, settings.port
    if port > _LAST_PORT:  # the resolver would take what is left of it after 65,536
        raise ConfigError(f"--port {port} is none: give a number up to {_LAST_PORT}")
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"--host {host} is no address of this machine: {_reason(error)}") from error
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in rows))
    for _, address in addresses:
        _check_guarded(settings, str(address[0]))
    tries = 1 if port else _TRIES
    while True:
        tries -= 1
        try:
            return _bound_together(addresses)
        except OSError as error:
            if not tries or error.errno != errno.EADDRINUSE:
                raise cannot_listen(settings, error) from error


def _check_guarded(settings: ServeSettings, address: str) -> None:
    """What a name is said to be (`ServeSettings.is_local`) and what it resolves to may differ."""
    is_local = ipaddress.ip_address(address.partition("%")[0]).is_loopback
    if settings.is_local and not is_local and not settings.is_guarded and not settings.insecure:
        raise ConfigError(
            f"--host {settings.host} is {address} here, which lets others on the network ask: give --api-key-file FILE "
            "(one key a line), or --insecure if that is wanted"
        )


def _bound_together(addresses: Sequence[tuple[int, Any]]) -> list[socket.socket]:
    """A socket at each of these that this machine has, all at one port; as asyncio does for a host's name.

    Raises:
        OSError: an address is taken, or none of them is there.
    """
    made: list[socket.socket] = []
    absent: OSError | None = None
    for family, (host, port, *more) in addresses:
        chosen = made[0].getsockname()[1] if made else port
        try:
            made.append(_bound(family, (host, chosen, *more), is_alone=len(addresses) == 1))
        except OSError as error:
            absent = error
            if error.errno in _ABSENT:
                continue
            for each in made:
                each.close()
            raise
    if not made and absent is not None:
        raise absent
    return made


def _bound(family: int, address: tuple[Any, ...], *, is_alone: bool) -> socket.socket:
    made = socket.socket(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and not is_alone:  # "::" alone may take IPv4 too
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    made.setblocking(False)  # noqa: FBT003  so it is named
    return made


def url_of(settings: ServeSettings, listening: Sequence[socket.socket]) -> str:
    """The base URL: of the one address, or of the name that stands for several."""
    host, port = listening[0].getsockname()[:2]
    host = settings.host if len(listening) > 1 else host
    scheme = "https" if settings.tls_cert else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def pem_path(text: str | None) -> str | None:
    """Where a file of the settings lies."""
    return None if text is None else str(Path(text).expanduser())


def cannot_listen(settings: ServeSettings, error: Exception) -> ConfigError:
    """What is said where an address is taken, or not there."""
    return ConfigError(
        f"cannot listen at {settings.host}:{settings.port}: {_reason(error)}; choose another --host or --port"
    )


def _check_tls(settings: ServeSettings) -> None:
    if settings.tls_cert is None or settings.tls_key is None:
        return
    cert, key = pem_path(settings.tls_cert), pem_path(settings.tls_key)
    try:  # with a passphrase at hand, so that OpenSSL does not ask for one at the terminal
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert or "", key, password="")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--tls-cert {cert} and --tls-key {key} cannot be used: {_reason(error)}; give a certificate and its key "
            "as PEM, without a passphrase"
        ) from error


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
