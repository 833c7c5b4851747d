"""A head and what follows it at once go out as one write: making them costs less than writing twice."""

from __future__ import annotations

import asyncio
from typing import Any, Final

__all__ = ["Corked"]

_HEAD: Final = b"HTTP/1."  # what a chunk of a body never begins with


class Corked:
    """A transport that keeps the head of an answer for its first piece, until the loop's turn ends at most."""

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        """All that it does not do itself."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write it, a head with what comes next."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self._pass_on)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Close it after what was written."""
        self._pass_on()
        self._transport.close()

    def abort(self) -> None:
        """Close it at once; what was kept is lost."""
        self._head = b""
        self._transport.abort()

    def _pass_on(self) -> None:
        if self._head and not self._transport.is_closing():
            self._transport.write(self._head)
        self._head = b""
