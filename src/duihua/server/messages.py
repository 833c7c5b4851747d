"""Messages as they come over the wire, and variables of the template, as values that can be rendered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from duihua.errors import InvalidMessages, UnsupportedFeature
from duihua.messages import Message, Role, ToolCall
from duihua.server.content import read_parts
from duihua.server.decoding import WrongField
from duihua.server.nesting import DEEPEST, check_depth
from duihua.server.pictures import Wanted
from duihua.server.wire import ContentPart, MessageIn, ToolCallIn

__all__ = ["check_variables", "read_messages"]

_ROLES: Final[Mapping[str, Role]] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool",
}  # fmt: skip
_ONLY_OF: Final[Mapping[str, Role]] = {
    "tool_call_id": "tool",
    "reasoning": "assistant",
    "reasoning_content": "assistant",
}
_TEMPLATES_OWN: Final = frozenset(
    ("chat_template", "tokenize", "messages", "tools", "add_generation_prompt", "continue_final_message", "documents",
     "strftime_now", "raise_exception", "self")
)  # fmt: skip


def read_messages(messages: Sequence[MessageIn]) -> tuple[list[Message], list[Wanted]]:
    """These messages, as values without their pictures, and the pictures that are still to be read.

    Raises:
        InvalidMessages, WrongField, UnsupportedFeature: one that cannot be, with its index.
    """
    wanted: list[Wanted] = []
    return [_message(message, index, wanted) for index, message in enumerate(messages)], wanted


def check_variables(variables: Mapping[str, object] | None) -> None:
    """Refuse template variables that are not a caller's to set, and values that nest too deeply.

    Raises:
        WrongField: says which.
    """
    for name in variables or ():
        if name in _TEMPLATES_OWN:
            raise WrongField("chat_template_kwargs", f"the server sets {name!r} itself: leave it out")
    check_depth("chat_template_kwargs", variables)


def _message(message: MessageIn, index: int, wanted: list[Wanted]) -> Message:
    role = _ROLES.get(message.role)
    if role is None:
        raise InvalidMessages(f"role {message.role!r} is unknown: use one of {list(_ROLES)}", index=index)
    for name in ("refusal", "audio", "function_call"):
        if getattr(message, name):
            raise UnsupportedFeature(f"messages[{index}].{name}", "messages hold text, pictures and tool calls")
    for name, of in _ONLY_OF.items():
        if getattr(message, name) and role != of:
            raise WrongField(f"messages[{index}].{name}", f"only a message of role {of!r} has it: leave it out")
    content, calls = _content(message, index), _calls(message.tool_calls or (), index)
    if not isinstance(content, str):
        content, pictures = read_parts(content, index, is_user=role == "user")
        wanted += pictures
    try:
        return Message(
            role,
            content,
            reasoning=message.reasoning or message.reasoning_content or "",
            tool_calls=calls,
            tool_call_id=message.tool_call_id,
            name=message.name,
        )
    except InvalidMessages as error:
        raise InvalidMessages(str(error), index=index) from error


def _content(message: MessageIn, index: int) -> str | list[ContentPart]:
    """As OpenAI has it, only an assistant's message may go without: one that thought, or called a tool."""
    if message.content is None and not (message.role == "assistant" and _did_something(message)):
        raise WrongField(f"messages[{index}].content", "it is missing: give a text")
    return message.content or ""


def _did_something(message: MessageIn) -> bool:
    return bool(message.tool_calls or message.reasoning or message.reasoning_content)


def _calls(calls: Sequence[ToolCallIn], index: int) -> tuple[ToolCall, ...]:
    read: list[ToolCall] = []
    for place, call in enumerate(calls):
        where = f"messages[{index}].tool_calls[{place}]"
        if call.type != "function":
            raise UnsupportedFeature(where, f"its type is {call.type!r}, and calls are of functions in this version")
        if call.custom is not None:
            raise UnsupportedFeature(f"{where}.custom", "a call of type 'function' has none: leave it out")
        if call.function is None:
            raise WrongField(f"{where}.function", "it is missing")
        _check_arguments(call.function.arguments, index)
        read.append(ToolCall(call.id, call.function.name, call.function.arguments))
    return tuple(read)


def _check_arguments(text: str, index: int) -> None:
    """Refuse a tool call whose arguments nest deeper than templates can follow."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    try:
        check_depth(f"messages[{index}].tool_calls", json.loads(text))
    except RecursionError as error:
        raise InvalidMessages("a tool call's arguments are nested too deeply", index=index) from error
    except ValueError:
        return  # no JSON: it stays text
