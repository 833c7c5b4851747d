"""Calls of tools and their results: one line each, or in full."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

from duihua.chat.conversation import Entry
from duihua.events import ToolResult
from duihua.messages import Message, ToolCall
from duihua.terminal.output import Style, fitted, harmless, width
from duihua.terminal.texts import Say

__all__ = ["call_line", "call_pieces", "last_calls", "result_line"]

_LEAST: Final = 12  # columns that a call and a result have each


def call_line(call: ToolCall, columns: int) -> str:
    """A call on one line: `weather(city: Paris, days: 2)`."""
    return fitted(_flat(f"{call.name}({', '.join(_arguments(call.arguments))})"), columns)


def result_line(say: Say, result: ToolResult, columns: int) -> str:
    """A call and what became of it, on one line: `calculator(expression: 37*89) → 3293 · 0.1 s`."""
    time = f" · {say('call_seconds', seconds=result.seconds)}"
    content = _flat(result.content) or say("call_no_words")
    room = columns - width(time) - width(" → ")
    call = call_line(result.call, max(room - min(width(content), room // 2), _LEAST))
    return f"{call} → {fitted(content, max(room - width(call), _LEAST))}{time}"


def call_pieces(call: ToolCall) -> Iterator[tuple[str, Style]]:
    """A call in full: its name, and each argument on lines of its own."""
    yield call.name, "bold"
    for argument in _arguments(call.arguments):
        yield "\n" + "\n".join(f"  {line}" for line in argument.splitlines() or [""]), "plain"


def last_calls(record: Sequence[Entry]) -> list[tuple[ToolCall, Message | None]]:
    """The calls of the last turn that made some, each with its result."""
    found: list[tuple[ToolCall, Message | None]] = []
    results: dict[str | None, Message] = {}
    for entry in reversed(record):
        message = entry.message
        if message.role == "tool":
            results[message.tool_call_id] = message
        found[:0] = [(call, results.get(call.id)) for call in message.tool_calls]
        if message.role == "user" and found:
            break
    return found


def _arguments(text: str) -> list[str]:
    """Each argument as `name: value`; text stays as it is, all else is JSON."""
    try:
        value: object = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return [text]
    if not isinstance(value, dict):
        return [text]
    pairs = cast("dict[str, Any]", value).items()
    return [
        f"{name}: {said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)}" for name, said in pairs
    ]


def _flat(text: str) -> str:
    return " ".join(harmless(text).split())
