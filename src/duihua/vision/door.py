"""The way out: a host's addresses, and a connection to one of them and no other."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, cast

import httpcore2

from duihua.vision.address import Address

__all__ = ["Door", "Resolve", "resolve_host"]

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host and a port to the host's addresses, as text; OSError where it has none."""

_ADDRESSES: Final = 3  # of a host that are tried


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses that the system's resolver gives for a host, the best first."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


class Door(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that were checked, whatever the host is called; the first that answers is taken.

    The time is parted among the addresses; there must be one.
    """

    def __init__(self, addresses: Sequence[Address], seconds: float) -> None:
        self._addresses = addresses[:_ADDRESSES]
        self._seconds = seconds / len(self._addresses)  # for each
        self._opened: httpcore2.AsyncNetworkStream | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109  the seam's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to one of the addresses; the last one's failure where none answers."""
        backend = cast(
            "httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend()
        )  # or a stand-in, where anyio is missing
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in self._addresses:
            try:
                stream = await backend.connect_tcp(str(address), port, self._seconds, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                self._opened = stream
                return stream
        raise failure

    async def close(self) -> None:
        """Close what was opened: a handshake that is cancelled leaves it open."""
        if self._opened is not None:
            await self._opened.aclose()
