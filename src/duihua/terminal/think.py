"""`/think`: whether the model thinks before it answers, and whether its thinking is shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from duihua.chat.protocol import ModelInfo
from duihua.errors import UnsupportedFeature
from duihua.terminal.session import Session

__all__ = ["THINK_ACTIONS", "run_think", "thinking_variables"]

THINK_ACTIONS: Final = ("on", "off", "show", "hide")
_CHINESE: Final = {"开": "on", "关": "off", "显示": "show", "隐藏": "hide"}


def thinking_variables(info: ModelInfo, variables: Mapping[str, Any] | None, *, thinks: bool) -> Mapping[str, Any]:
    """The variables of a model's template with thinking turned on or off.

    Raises:
        UnsupportedFeature: the template has no variable for it.
    """
    if info.thinking_switch is None:
        raise UnsupportedFeature(
            "turning thinking on or off", f"the chat template of {info.name} has no variable for it; leave it out"
        )
    return {**(variables or {}), info.thinking_switch: thinks}


async def run_think(session: Session, argument: str) -> None:
    """Turn thinking on or off from the next turn on, show or hide it; without a word, say how it is."""
    say, output = session.say, session.output
    word = unicodedata.normalize("NFKC", argument).strip().lower()
    word = _CHINESE.get(word, word)
    if word in ("on", "off"):
        options = session.conversation.options
        variables = thinking_variables(session.info, options.variables, thinks=word == "on")
        session.conversation.options = replace(options, variables=variables)
    elif word in ("show", "hide"):
        session.shows_thinking = word == "show"
    elif word:
        output.note(say("think_usage"))
        return
    output.note(_state(session))


def _state(session: Session) -> str:
    say, switch = session.say, session.info.thinking_switch
    said = (session.conversation.options.variables or {}).get(switch or "")
    how = say("think_as_it_is") if said is None else say("think_on") if said else say("think_off")
    return f"{how} · {say('think_shown') if session.shows_thinking else say('think_hidden')}"
