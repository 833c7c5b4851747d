"""A connection to one MCP server, which is made again when it broke.

The client of the `mcp` package must be left by the task that entered it. So one task lives as long as the connection
and does nothing else; calls come from any task.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, cast

from duihua.errors import ConfigError, ToolFailed, ToolTimedOut
from duihua.tools.mcp.server import McpServer
from duihua.tools.mcp.stderr import Heard

if TYPE_CHECKING:
    from anyio import CancelScope
    from mcp import Client
    from mcp.types import CallToolResult
    from mcp.types import Tool as Listed

__all__ = ["McpConnection"]

_PROBE: Final = 5.0  # seconds, at most, in which a server must answer after a call of it was given up
_CLOSE: Final = 15.0  # seconds that leaving may take; the package itself bounds each of its steps
_MOST_TOOLS: Final = 256

_log = logging.getLogger(__name__)


class McpConnection:
    """Tools of one server, listed and called."""

    def __init__(self, server: McpServer) -> None:
        """Nothing is started yet.

        Raises:
            ConfigError: the `mcp` package is not there.
        """
        if find_spec("mcp") is None:
            raise ConfigError("MCP servers need the mcp package: pip install 'duihua[mcp]'")
        self.server = server
        self._client: Client | None = None
        self._living: asyncio.Task[None] | None = None
        self._scope: CancelScope | None = None
        self._leave = asyncio.Event()
        self._is_connected = False
        self._connecting = asyncio.Lock()
        self._is_doubted = False
        self._is_closed = False
        self._heard = Heard()

    async def tools(self) -> list[Listed]:
        """All its tools.

        Raises:
            ToolFailed, ToolTimedOut: it cannot be reached, or does not answer.
        """
        client = await self._connected()
        async with self._told(self.server.start_seconds):
            return await _listed(client)

    async def call(self, name: str, arguments: Mapping[str, Any]) -> CallToolResult:
        """Call a tool. Where the connection broke before, it is made again first; no call is made twice.

        Raises:
            ToolFailed: the server cannot be reached, broke off, or refuses.
            ToolTimedOut: it did not answer in time.
        """
        client = await self._connected()
        try:
            async with self._told(self.server.seconds):
                return await client.call_tool(name, dict(arguments))
        except (ToolTimedOut, asyncio.CancelledError):
            self._is_doubted = True
            raise

    async def aclose(self) -> None:
        """Leave the server; a program that was started ends, or is ended."""
        self._is_closed = True
        await self._disconnect()

    async def _connected(self) -> Client:
        """The client; connected again where it broke, or does not answer since a call of it was given up."""
        async with self._connecting:
            if self._is_closed:
                raise ToolFailed(f"the connection to the MCP server {self.server.name} was closed")
            if self._client is not None and self._is_doubted and not await self._answers(self._client):
                self._client = None
            self._is_doubted = False
            if self._client is None:
                await self._disconnect()
                self._client = await self._connect()
            return self._client

    async def _connect(self) -> Client:
        self._leave = asyncio.Event()
        ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._is_connected = False
        self._living = asyncio.create_task(self._live(ready, self._leave))
        try:
            async with asyncio.timeout(self.server.start_seconds):
                client = await asyncio.shield(ready)
        except TimeoutError as error:
            await self._disconnect()
            raise ToolTimedOut(
                self.server.start_seconds, f"the MCP server {self.server.name} does not answer{self._heard}"
            ) from error
        except BaseException:
            await self._disconnect()
            raise
        self._is_connected = True
        return client

    async def _live(self, ready: asyncio.Future[Client], leave: asyncio.Event) -> None:
        """Hold the connection until it is left."""
        import anyio

        try:
            with anyio.CancelScope() as self._scope:  # cancelled, it lets the package end its program all the same
                async with self._entered() as client:
                    ready.set_result(client)
                    await leave.wait()
        except Exception as error:  # noqa: BLE001  of any kind: it ends this connection and nothing else
            if ready.done():
                _log.info("the connection to the MCP server %s ended", self.server.name, exc_info=True)
            else:
                ready.set_exception(self._failure(error))
                ready.exception()  # it may be that nobody waits any more

    @asynccontextmanager
    async def _entered(self) -> AsyncGenerator[Client]:
        import httpx2
        from mcp import Client, StdioServerParameters, stdio_client
        from mcp.client.streamable_http import streamable_http_client

        server = self.server
        if server.url:
            times = httpx2.Timeout(server.start_seconds, read=max(server.seconds, server.start_seconds))
            async with (
                httpx2.AsyncClient(headers=dict(server.headers), timeout=times) as http,
                Client(streamable_http_client(server.url, http_client=http)) as client,
            ):
                yield client
            return
        program = StdioServerParameters(
            command=server.command[0],
            args=list(server.command[1:]),
            env=dict(server.environment),
            cwd=server.directory or None,
        )
        with self._heard.listening() as errors:
            async with Client(stdio_client(program, errlog=errors)) as client:
                yield client

    async def _disconnect(self) -> None:
        """End the task that holds the connection."""
        living, self._living, self._client = self._living, None, None
        if living is None:
            return
        self._leave.set()
        if self._is_connected:
            await asyncio.wait([living], timeout=_CLOSE)
        if self._scope is not None and not living.done():
            self._scope.cancel()
        await asyncio.wait([living], timeout=_CLOSE)

    async def _answers(self, client: Client) -> bool:
        try:
            async with asyncio.timeout(min(_PROBE, self.server.seconds)):
                await client.list_tools(cache_mode="bypass")
        except Exception:  # noqa: BLE001  whatever it is, the connection is made again
            return False
        return True

    @asynccontextmanager
    async def _told(self, seconds: float) -> AsyncGenerator[None]:
        """Within this time; errors of the package as ours."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise ToolTimedOut(seconds, f"the MCP server {self.server.name} did not answer") from error
        except Exception as error:
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> ToolFailed:
        from mcp import MCPError
        from mcp.types import CONNECTION_CLOSED, INVALID_REQUEST

        while isinstance(error, BaseExceptionGroup):
            error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
        name = self.server.name
        if isinstance(error, MCPError) and error.code not in (CONNECTION_CLOSED, INVALID_REQUEST):
            return ToolFailed(f"the MCP server {name} refuses: {error.message}")
        self._client = None  # the next call connects again
        if isinstance(error, MCPError):
            return ToolFailed(f"the MCP server {name} broke off ({error.message}){self._heard}")
        if isinstance(error, FileNotFoundError) and self.server.command:
            return ToolFailed(f"the MCP server {name} does not start: there is no program {self.server.command[0]!r}")
        words = str(error).splitlines()
        return ToolFailed(
            f"the MCP server {name} cannot be reached: {words[0] if words else type(error).__name__}{self._heard}"
        )


async def _listed(client: Client) -> list[Listed]:
    found: list[Listed] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        cursor = page.next_cursor
        if not cursor or len(found) >= _MOST_TOOLS:
            return found[:_MOST_TOOLS]
