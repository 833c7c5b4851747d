"""The tools that a request brings, and which of them must be called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from duihua.chat.plans import arguments_schema
from duihua.chat.protocol import NamedTool
from duihua.errors import InvalidParameter, RequestError, UnsupportedFeature
from duihua.grammar import Grammar
from duihua.server.decoding import WrongField
from duihua.server.form import at_field
from duihua.server.nesting import check_depth
from duihua.server.wire import AllowedTools, ToolChoice, ToolIn

__all__ = ["read_choice", "read_tools"]

_LONGEST: Final = 65_536  # characters of a tool, as JSON
_CHOICES: Final = 'give "auto", "none", "required" or {"type": "function", "function": {"name": ...}}'

Schema = Mapping[str, Any]
Choice = str | NamedTool


def read_tools(tools: Sequence[ToolIn]) -> tuple[Schema, ...]:
    """These tools as templates read them; `strict` says how a call is made, and is not the model's to read.

    Raises:
        UnsupportedFeature: a tool that is no function.
        WrongField: one that is incomplete, too large or nests too deeply.
    """
    read: list[Schema] = []
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        if tool.type != "function":
            raise UnsupportedFeature(f"{where}.type", f"it is {tool.type[:40]!r}, and tools are functions here")
        if tool.custom is not None:
            raise UnsupportedFeature(f"{where}.custom", "a tool of type 'function' has none: leave it out")
        if tool.function is None:
            raise WrongField(f"{where}.function", "it is missing")
        check_depth(f"{where}.function.parameters", tool.function.parameters)
        written = msgspec.to_builtins(tool)
        written["function"].pop("strict", None)
        if (size := len(msgspec.json.encode(written))) > _LONGEST:
            raise WrongField(where, f"it has {size} bytes: give {_LONGEST} at most")
        read.append(written)
    return tuple(read)


def read_choice(asked: str | ToolChoice | None, tools: Sequence[Schema]) -> tuple[tuple[Schema, ...], Choice]:
    """The tools that may be called, and which must be.

    Raises:
        InvalidParameter: no choice, or of a tool that is not there.
        UnsupportedFeature: of a tool that is no function.
        Refusal: the parameters of a tool that must be called hold what no answer can be held to.
    """
    choice: Choice = "auto"
    given = tools
    if isinstance(asked, str):
        choice = asked
        if choice not in ("auto", "none", "required"):
            raise InvalidParameter("tool_choice", choice[:80], _CHOICES)
    elif asked is not None and asked.type == "allowed_tools":
        if asked.allowed_tools is None:
            raise WrongField("tool_choice.allowed_tools", "it is missing")
        tools, choice = _allowed(asked.allowed_tools, tools), asked.allowed_tools.mode
    elif asked is not None:
        choice = _named(asked)
    if choice == "required" and not tools:
        raise InvalidParameter("tool_choice", choice, "there are no tools to call: give some")
    if isinstance(choice, NamedTool) and choice.name not in _names(tools):
        raise InvalidParameter("tool_choice.function.name", choice.name[:80], _there_are(tools))
    _check_parameters(tools, choice, given)
    return tuple(tools), choice


def _named(asked: ToolChoice) -> NamedTool:
    if asked.type != "function" or asked.custom is not None:
        raise UnsupportedFeature("tool_choice.type", f"it is {asked.type[:40]!r}, and tools are functions here")
    if asked.function is None:
        raise WrongField("tool_choice.function", 'it is missing: give {"name": ...}')
    return NamedTool(asked.function.name)


def _allowed(asked: AllowedTools, tools: Sequence[Schema]) -> tuple[Schema, ...]:
    names: set[str] = set()
    for index, tool in enumerate(asked.tools):
        function = tool.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        if name not in _names(tools):
            raise InvalidParameter(f"tool_choice.allowed_tools.tools[{index}]", name, _there_are(tools))
        names.add(str(name))
    return tuple(tool for tool in tools if tool["function"]["name"] in names)


def _check_parameters(tools: Sequence[Schema], choice: Choice, given: Sequence[Schema]) -> None:
    """A call that must be is held to its tool's parameters: say which of them cannot be honoured."""
    if choice in ("auto", "none"):
        return
    for tool in tools:
        function = tool["function"]
        if isinstance(choice, NamedTool) and choice.name != function["name"]:
            continue
        try:
            Grammar.json_schema(arguments_schema(function.get("parameters")))
        except RequestError as error:
            raise at_field(f"tools[{given.index(tool)}].function.parameters", error) from error


def _names(tools: Sequence[Schema]) -> list[str]:
    return [tool["function"]["name"] for tool in tools]


def _there_are(tools: Sequence[Schema]) -> str:
    names = _names(tools)
    return f"the tools are {', '.join(name[:64] for name in names[:20])}" if names else "there are no tools"
