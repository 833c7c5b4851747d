"""The tools that `duihua serve --serve-tools` runs: those that may run without anybody being asked."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from duihua.config import Settings, ToolSettings
from duihua.errors import ConfigError

if TYPE_CHECKING:
    from duihua.server.tools import ServedTools
    from duihua.tools.tool import Tool

__all__ = ["check_tools", "opened_tools"]

_log = logging.getLogger("duihua.server")
_OWN: Final = "python"  # its variables stay: each turn has an interpreter of its own


def check_tools(settings: Settings) -> None:
    """Refuse flags that would do nothing, before anything is loaded.

    Raises:
        ConfigError: tools are named by flags and not run, or none are named.
    """
    if settings.serve.serve_tools and not settings.tools:
        raise ConfigError("--serve-tools runs the tools that are named: give --tools, --tool-file or --mcp as well")
    flags = [key for key, source in settings.sources.items() if key.startswith("tools.") and source.startswith("flag ")]
    if flags and not settings.serve.serve_tools:
        raise ConfigError(
            "a server hands calls to its clients and runs no tools: give --serve-tools as well, or leave "
            "--tools, --tool-file, --mcp and --allow-tool out"
        )


@asynccontextmanager
async def opened_tools(settings: Settings) -> AsyncGenerator[ServedTools | None]:
    """The tools, made and connected; None where this server runs none.

    Raises:
        ConfigError: see `open_toolbox`; or all of them would have to be asked about.
    """
    if not settings.serve.serve_tools:
        yield None
        return
    from duihua.api.toolbox import open_toolbox
    from duihua.chat.tool_loop import LoopLimits
    from duihua.server.tools import ServedTools

    if not settings.serve.log_prompts:
        logging.getLogger("duihua.tools.toolbox").setLevel(logging.WARNING)  # why a call came to nothing quotes it
    rules = settings.tools
    async with await open_toolbox(rules) as toolbox:
        served = [tool for tool in toolbox if rules.approval_of(tool.name) == "always"]
        left_out = [tool.name for tool in toolbox if tool not in served]
        if not served:
            raise ConfigError(f"nobody can be asked whether {_listed(left_out)} may run: give --allow-tool NAME")
        if left_out:
            _log.warning("not served, for nobody can be asked: %s (--allow-tool NAME)", _listed(left_out))
        _log.info("tools run here: %s", _listed([tool.name for tool in served]))
        has_own = _OWN in rules.built_in and any(tool.name == _OWN for tool in served)
        if has_own:  # it was started to learn whether it can be; nobody uses this one
            await next(tool for tool in served if tool.name == _OWN).aclose()
        yield ServedTools(
            served,
            call_limits=rules.limits(),
            turn_limits=LoopLimits(rounds=rules.rounds, seconds=rules.turn_seconds),
            of_a_turn=lambda: _interpreter(rules) if has_own else (),
        )


def _interpreter(rules: ToolSettings) -> Sequence[Tool]:
    """One that has run nothing; its process starts with the first call."""
    from duihua.tools.catalogue import built_in
    from duihua.tools.log import Logged

    return [Logged(tool) for tool in built_in((_OWN,), python=rules.python_settings())]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
