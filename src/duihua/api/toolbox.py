"""Tools as they are set, in one toolbox: built in, of the user's files, and of MCP servers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from duihua.config import ToolSettings
from duihua.errors import ConfigError, ToolError, UnsupportedFeature
from duihua.tools.approval import Approver, Ask
from duihua.tools.catalogue import built_in
from duihua.tools.filter import chosen
from duihua.tools.load import load_tools
from duihua.tools.log import Logged
from duihua.tools.tool import Tool
from duihua.tools.toolbox import Toolbox

__all__ = ["open_toolbox"]


async def open_toolbox(settings: ToolSettings, *, ask: Ask | None = None) -> Toolbox:
    """Make the tools, connect to the MCP servers, and put approval before what needs it; whoever opens it closes it.

    A tool that never may run is left out.

    Args:
        ask: shows a call to a person; None: there is nobody, and what would be asked about is denied.

    Raises:
        ConfigError: a tool that is none, a file that does not run, a server that cannot be reached, two tools of one
            name, a name in `allow` that is no tool's. Nothing is left running then.
    """
    tools = built_in(settings.built_in, python=settings.python_settings())
    servers = settings.servers()
    for file in settings.files:
        tools += await asyncio.to_thread(load_tools, file)
    try:
        await _start(tools)
        if servers:
            from duihua.tools.mcp.tool import connect

            tools += await _all_or_none([asyncio.create_task(connect(server)) for server in servers])
        chosen(tools, settings.allow or ("*",))  # a name that is no tool's is refused
        approver = Approver(ask)
        offered = [tool for tool in tools if settings.approval_of(tool.name) != "never"]
        guarded = [approver.guarded(Logged(tool), settings.approval_of(tool.name)) for tool in offered]
        return Toolbox(guarded, limits=settings.limits())
    except BaseException:
        await _close(tools)
        raise


async def _start(tools: Sequence[Tool]) -> None:
    """Start the Python tool's process now: where this system cannot shut it in, that is known before the first turn."""
    if not any(tool.name == "python" for tool in tools):
        return
    from duihua.tools.python import PythonTool

    for tool in tools:
        if isinstance(tool, PythonTool):
            try:
                await tool.start()
            except (ToolError, UnsupportedFeature) as error:
                raise ConfigError(str(error)) from error


async def _all_or_none(connecting: Sequence[asyncio.Task[list[Tool]]]) -> list[Tool]:
    """The tools of all servers; where one fails, the others are closed."""
    try:
        return [tool for tools in await asyncio.gather(*connecting) for tool in tools]
    except BaseException:
        for task in connecting:
            task.cancel()
        done = await asyncio.gather(*connecting, return_exceptions=True)
        await _close([tool for tools in done if isinstance(tools, list) for tool in tools])
        raise


async def _close(tools: Sequence[Tool]) -> None:
    await asyncio.gather(*(tool.aclose() for tool in tools), return_exceptions=True)
