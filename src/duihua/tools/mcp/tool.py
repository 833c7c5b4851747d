"""One tool of an MCP server."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from duihua.errors import ConfigError, InvalidImage, ToolError, ToolFailed
from duihua.image import Image
from duihua.tools.inlined import inlined
from duihua.tools.mcp.connection import McpConnection
from duihua.tools.mcp.server import McpServer
from duihua.tools.prefix import Prefixed
from duihua.tools.tool import Tool, ToolOutput

if TYPE_CHECKING:
    from mcp.types import CallToolResult
    from mcp.types import Tool as Listed

__all__ = ["McpTool", "connect"]


class McpTool:
    """A tool that is called over a connection; closing it closes the connection, which it shares."""

    def __init__(self, connection: McpConnection, listed: Listed) -> None:
        self._connection = connection
        self._own_name = listed.name
        self.name = re.sub(r"[^\w.-]", "_", listed.name)[:64]
        self.description = listed.description or listed.title or ""
        self.parameters: Mapping[str, Any] = {"properties": {}, **inlined(listed.input_schema), "type": "object"}

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        """Call it; the server checks the arguments.

        Raises:
            ToolFailed, ToolTimedOut: see `McpConnection.call`; or the tool itself says that it failed.
        """
        import asyncio

        result = await self._connection.call(self._own_name, arguments)
        output = await asyncio.to_thread(_output_of, result)
        if result.is_error:
            raise ToolFailed(output.content or "the tool failed and does not say why")
        return output

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.aclose()


async def connect(server: McpServer) -> list[Tool]:
    """The tools of a server, each with the server's name before its own: `files_read`.

    Raises:
        ConfigError: the `mcp` package is missing, or the server cannot be reached; nothing of it is left then.
    """
    connection = McpConnection(server)
    try:
        return [Prefixed(McpTool(connection, listed), server.name) for listed in await connection.tools()]
    except ToolError as error:
        await connection.aclose()
        raise ConfigError(str(error)) from error
    except BaseException:
        await connection.aclose()
        raise


def _output_of(result: CallToolResult) -> ToolOutput:
    words: list[str] = []
    images: list[Image] = []
    for part in result.content:
        if part.type == "text":
            words.append(part.text)
        elif part.type == "image":
            try:
                images.append(_picture(part.data, len(images) + 1))
            except InvalidImage as error:
                words.append(f"[a picture could not be passed on: {error}]")
        elif part.type == "resource":
            words.append(getattr(part.resource, "text", f"[a file that is no text: {part.resource.uri}]"))
        elif part.type == "resource_link":
            words.append(f"[a file: {part.uri}]")
        else:
            words.append("[a sound, which cannot be passed on]")
    if not result.content and cast("object", result.structured_content) is not None:
        words.append(json.dumps(result.structured_content, ensure_ascii=False))
    return ToolOutput("\n".join(words), tuple(images))


def _picture(encoded: str, number: int) -> Image:
    from duihua.vision.read import read_bytes

    name = f"picture {number}"
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise InvalidImage("it is no Base64", why="truncated", name=name) from error
    return read_bytes(data, name=name)
