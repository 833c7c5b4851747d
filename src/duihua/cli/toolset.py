"""Which tools a conversation of `duihua chat` has, and how its answers are made."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from duihua.config import Settings, ToolSettings
from duihua.errors import ConfigError

if TYPE_CHECKING:
    from duihua.grammar import Grammar
    from duihua.terminal.consent import Consent
    from duihua.terminal.output import Output
    from duihua.terminal.session import Session
    from duihua.terminal.texts import Say
    from duihua.tools.toolbox import Toolbox

__all__ = ["check_flags", "equip", "opened_tools"]

_NAMING = ("built_in", "files", "mcp")


def check_flags(settings: Settings, *, no_tools: bool, in_form: bool) -> ToolSettings:
    """The tools that were asked for. An answer in a form calls none, so those of the settings are left out then.

    Raises:
        ConfigError: flags that do not go together.
    """
    tools = settings.tools
    if no_tools and _are_asked_for(settings):
        raise ConfigError("--no-tools and a flag that names tools do not go together: leave one out")
    if in_form and _are_asked_for(settings):
        raise ConfigError("--schema and tools do not go together: an answer in a given form calls no tools")
    if _is_flag(settings, "allow") and (no_tools or in_form or not tools):
        raise ConfigError("--allow-tool names a tool, and there are none: give --tools, --tool-file or --mcp")
    return tools.without_tools() if no_tools or in_form else tools


@asynccontextmanager
async def opened_tools(
    tools: ToolSettings, consent: Consent, output: Output, say: Say
) -> AsyncGenerator[Toolbox | None]:
    """The tools, made and connected; None where there are none.

    Raises:
        ConfigError: see `open_toolbox`.
    """
    if not tools:
        yield None
        return
    from duihua.api.toolbox import open_toolbox

    output.progress(say("tools_opening"))
    try:
        toolbox = await open_toolbox(tools, ask=consent.ask)
    finally:
        output.end_progress()
    async with toolbox:
        yield toolbox


def equip(session: Session, settings: Settings, toolbox: Toolbox | None, form: Grammar | None) -> None:
    """Give a conversation its tools, its form and its thinking.

    Tools of the settings that a model would not hear of are left out, and that is said.

    Raises:
        UnsupportedFeature: a flag asks for what the model's template does not have.
    """
    from duihua.chat.tool_loop import LoopLimits
    from duihua.terminal.think import thinking_variables
    from duihua.terminal.tools import check_tools_known

    conversation, terminal = session.conversation, settings.terminal
    options = replace(conversation.options, form=form, max_thinking_tokens=terminal.max_thinking_tokens)
    if terminal.think is not None:
        options = replace(options, variables=thinking_variables(session.info, {}, thinks=terminal.think))
    conversation.options = options
    if toolbox is None:
        return
    if not session.info.knows_tools and not _are_asked_for(settings):
        session.output.note(session.say("tools_left_out", name=session.info.name), "warning")
        return
    check_tools_known(session.info)
    conversation.toolbox = toolbox
    conversation.limits = LoopLimits(rounds=settings.tools.rounds, seconds=settings.tools.turn_seconds)


def _are_asked_for(settings: Settings) -> bool:
    return any(_is_flag(settings, name) for name in _NAMING)


def _is_flag(settings: Settings, name: str) -> bool:
    return settings.sources.get(f"tools.{name}", "").startswith("flag ") and bool(getattr(settings.tools, name))
