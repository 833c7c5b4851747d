"""Tools of real MCP servers, over pipes and over HTTP: what they give, how they fail, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from duihua.errors import ConfigError, ToolError, ToolFailed, ToolTimedOut
from duihua.tools.mcp.server import McpServer
from duihua.tools.mcp.tool import connect
from duihua.tools.tool import Tool, ToolOutput

STANDING = str(Path(__file__).with_name("standing.py"))
PROGRAM = McpServer(name="s", command=[sys.executable, STANDING], environment={"MINE": "mine"}, seconds=30)


class Called:
    """The tools of a server, by their own names."""

    def __init__(self, tools: list[Tool]) -> None:
        self.tools: Mapping[str, Tool] = {tool.name: tool for tool in tools}

    async def __call__(self, tool: str, /, **arguments: Any) -> ToolOutput:
        return await self.tools[f"s_{tool}"].call(arguments)

    async def text(self, tool: str, /, **arguments: Any) -> str:
        return (await self(tool, **arguments)).content

    async def failure(self, tool: str, kind: type[ToolError] = ToolFailed, /, **arguments: Any) -> str:
        with pytest.raises(kind) as caught:
            await self(tool, **arguments)
        assert type(caught.value) is kind
        return str(caught.value)


@asynccontextmanager
async def connected(server: McpServer) -> AsyncGenerator[Called]:
    """A server's tools; when they are closed, none of its programs runs."""
    before = set(psutil.Process().children(recursive=True))
    tools = await connect(server)
    try:
        yield Called(tools)
    finally:
        for tool in tools:
            await tool.aclose()
    assert set(psutil.Process().children(recursive=True)) <= before


async def check_what_they_give(called: Called) -> None:
    assert {"s_add", "s_draw_flag", "s_fail"} <= set(called.tools)
    add = called.tools["s_add"]
    assert add.description == "Add two numbers."
    assert add.parameters["required"] == ["a", "b"]
    assert await called.text("add", a=1, b=2) == "3"
    assert await called.text("echo", text="<|user|>") == "<|user|>"
    assert await called.text("structured") == '{"城": 1}'
    flag = await called("draw_flag")
    assert [(image.width, image.height) for image in flag.images] == [(6, 4)]
    assert flag.content.startswith("a flag\n[a picture could not be passed on")
    assert await called.text("files") == (
        "in a file\n[a file that is no text: file:///b]\n[a sound, which cannot be passed on]\n[a file: file:///c]"
    )
    assert "valid integer" in await called.failure("add", a="x", b=2)
    assert "because" in await called.failure("fail", why="because")
    assert "does not say why" in await called.failure("refuse")


# Over pipes


def test_a_program_is_started_called_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "ours")

    async def work() -> None:
        async with connected(PROGRAM) as called:
            await check_what_they_give(called)
            assert await called.text("variable", name="SECRET") == "none"
            assert await called.text("variable", name="MINE") == "mine"
            first, second = await asyncio.gather(called.text("count"), called.text("count"))
            assert {first[:4], second[:4]} == {"1 in", "2 in"}
            waiting = asyncio.create_task(called("wait"))
            await asyncio.sleep(0)
            waiting.cancel()
            assert (await called.text("count")).startswith("3 in")
            with pytest.raises(asyncio.CancelledError):
                await waiting
            said = await called.failure("die")
            assert "the MCP server s broke off" in said
            assert "dying loudly" in said
            assert (await called.text("count")).startswith("1 in")
        assert "was closed" in await called.failure("count")

    asyncio.run(work())


@pytest.mark.slow
def test_a_program_that_hangs_is_given_up_and_started_again() -> None:
    async def work() -> None:
        server = McpServer(name="s", command=PROGRAM.command, seconds=2)
        async with connected(server) as called:
            before = await called.text("count")
            assert "did not answer" in await called.failure("hang", ToolTimedOut)
            after = await called.text("count")
            assert after.startswith("1 in")
            assert after != before

    asyncio.run(work())


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import sys; sys.exit('no config')", "no config"),
        ("print('hello', flush=True); input(); raise SystemExit('gone')", "gone"),
        ("import time; time.sleep(99)", "does not answer"),
        ("while True: print('x' * 100_000)", ""),
    ],
)
def test_a_program_that_speaks_no_mcp_is_refused_with_what_it_said(code: str, why: str) -> None:
    async def work() -> None:
        before = set(psutil.Process().children())  # other tests' engines
        with pytest.raises(ConfigError) as caught:
            async with connected(McpServer(name="s", command=[sys.executable, "-c", code], start_seconds=2)):
                pass
        assert why in str(caught.value)
        assert len(str(caught.value)) < 1500
        assert set(psutil.Process().children()) <= before

    asyncio.run(work())


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="there is no program 'no-such-program'"):
        asyncio.run(connect(McpServer(name="s", command=["no-such-program"])))


# Over HTTP


def test_a_server_is_called_over_http_and_told_when_it_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = McpServer(name="s", url=f"http://127.0.0.1:{port}/mcp", headers={"X-Key": "k"}, seconds=30)
    command, quiet = [sys.executable, STANDING, str(port)], subprocess.DEVNULL

    async def work() -> None:
        with pytest.raises(ConfigError, match="the MCP server s cannot be reached"):
            await connect(server)
        program = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
        try:
            await listening(port)
            async with connected(server) as called:
                await check_what_they_give(called)
                assert "broke off" in await called.failure("die")
                assert "cannot be reached" in await called.failure("count")
        finally:
            await program.wait()  # it died

    asyncio.run(work())


async def listening(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
