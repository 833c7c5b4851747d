"""An MCP server of the `mcp` package, run as a program: over its pipes, or over HTTP at a port of loopback."""

from __future__ import annotations

import base64
import io
import os
import signal
import sys

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from PIL import Image as Pillow

server = MCPServer("standing")
calls: list[str] = []


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def count() -> str:
    """Count the calls of this process."""
    calls.append("")
    return f"{len(calls)} in {os.getpid()}"


@server.tool(name="draw/flag")
def flag() -> CallToolResult:
    """Draw a flag."""
    file = io.BytesIO()
    Pillow.new("RGB", (6, 4), "red").save(file, "PNG")
    encoded = base64.b64encode(file.getvalue()).decode()
    picture, none = (ImageContent(data=data, mime_type="image/png") for data in (encoded, "no picture"))
    return CallToolResult(content=[TextContent(text="a flag"), picture, none])


@server.tool()
def files() -> CallToolResult:
    """Give what is no text."""
    text = TextResourceContents(uri="file:///a", text="in a file")
    blob = BlobResourceContents(uri="file:///b", blob="AAAA")
    sound = AudioContent(data="AAAA", mime_type="audio/wav")
    link = ResourceLink(uri="file:///c", name="c")
    return CallToolResult(content=[*(EmbeddedResource(resource=each) for each in (text, blob)), sound, link])


@server.tool()
def structured() -> CallToolResult:
    """Give JSON alone."""
    return CallToolResult(content=[], structured_content={"城": 1})


@server.tool()
def fail(why: str) -> str:
    """Fail."""
    raise ToolError(why)


@server.tool()
def refuse() -> CallToolResult:
    """Say that it failed, and no more."""
    return CallToolResult(content=[], is_error=True)


@server.tool()
def echo(text: str) -> CallToolResult:
    """Say it again."""
    return CallToolResult(content=[TextContent(text=text)])


@server.tool()
def variable(name: str) -> str:
    """Tell a variable of the environment."""
    return os.environ.get(name, "none")


@server.tool()
def die() -> None:
    """End the process."""
    sys.stderr.write("dying loudly\n")
    sys.stderr.flush()
    os._exit(3)


@server.tool()
def hang() -> None:
    """Stop the whole process."""
    os.kill(os.getpid(), signal.SIGSTOP)


@server.tool()
async def wait() -> None:
    """Wait, and let others run."""
    await anyio.sleep(999)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run("stdio")
