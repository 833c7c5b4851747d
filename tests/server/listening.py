"""A server that listens, in this process: for what lies below the application."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from duihua.server.address import bound_sockets
from duihua.server.run import serve
from server.asgi import Server

__all__ = ["listening", "said"]


@asynccontextmanager
async def listening(server: Server) -> AsyncGenerator[str]:
    """Serve until the block ends, which sends SIGTERM; give the base URL."""
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(server.service, bound_sockets(server.service.settings), told.set_result))
    await asyncio.wait([told, serving], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield await told
    finally:
        if not serving.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await serving


async def said(url: str, data: bytes, *, end: bytes | None = None) -> bytes:
    """What comes back on a connection of its own until the server closes it, or until `end` has come."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    with suppress(ConnectionError):
        writer.write(data)
        await writer.drain()
    try:
        async with asyncio.timeout(20):
            return await (reader.read() if end is None else reader.readuntil(end))
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
