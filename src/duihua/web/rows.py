"""A conversation as the rows of a chat view; every text of it stays data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from duihua.chat.conversation import Entry
from duihua.messages import Message, ToolCall
from duihua.web.markdown import of_answer, of_person
from duihua.web.texts import Say
from duihua.web.turn import Turn

__all__ = ["Row", "rows_of_record", "rows_of_turn"]

Row = dict[str, Any]
"""A message as Gradio's chat view takes it."""

_WAITING = "…"
_NAME = re.compile(r"[\w.-]{1,64}")


def rows_of_record(say: Say, record: Sequence[Entry]) -> list[Row]:
    """What was said. A turn that failed shows what there was of its answer, folded; without one it shows nothing."""
    rows: list[Row] = []
    calls = _calls(entry.message for entry in record)
    for entry, after in zip_longest(record, record[1:]):
        message = entry.message
        if message.role == "user":
            if entry.outcome in ("complete", "stopped") or (after is not None and after.message.role == "assistant"):
                rows.append(_row("user", of_person(message.content)))
        elif message.role == "tool":
            rows.append(_result(say, message, calls))
        elif entry.outcome == "failed":
            rows.append(_row("assistant", of_answer(message.content), title=say("failed")))
        else:
            rows += _answer(say, message.reasoning, message.content, is_whole=not message.tool_calls)
    return rows


def rows_of_turn(say: Say, turn: Turn) -> list[Row]:
    """A turn that runs."""
    rows, calls = [_row("user", of_person(turn.text))], _calls(turn.fold.rounds)
    done = {result.call.id for result in turn.fold.results}
    for message in turn.fold.rounds:
        if message.role == "tool":
            rows.append(_result(say, message, calls, is_live=message.tool_call_id not in done))
        else:
            rows += _answer(say, message.reasoning, message.content, is_whole=False)
    if not turn.reply.has_begun:
        return [*rows, _row("assistant", _WAITING)]
    reasoning, text = "".join(turn.reply.reasoning), "".join(turn.reply.text)
    return [*rows, *_answer(say, reasoning, text, is_live=not text)]


def _answer(say: Say, reasoning: str, text: str, *, is_live: bool = False, is_whole: bool = True) -> list[Row]:
    """Thinking, folded, and words; an answer that made calls need not have any."""
    thinking = [_row("assistant", of_answer(reasoning), title=say("thinking"), is_live=is_live)] if reasoning else []
    return [*thinking, *([_row("assistant", of_answer(text))] if text or (is_whole and not thinking) else [])]


def _calls(messages: Iterable[Message]) -> Mapping[str | None, ToolCall]:
    return {call.id: call for message in messages for call in message.tool_calls}


def _result(say: Say, message: Message, calls: Mapping[str | None, ToolCall], *, is_live: bool = False) -> Row:
    """A call and its result, folded; a name that no tool can have stays out of the title, which may be marked up."""
    call = calls.get(message.tool_call_id)
    name = call.name if call is not None and _NAME.fullmatch(call.name) else "?"
    text = f"{call.arguments if call is not None else ''}\n\n{_WAITING if is_live else message.content}"
    return _row("assistant", of_person(text.strip()), title=say("called", name=name), is_live=is_live)


def _row(role: str, text: str, *, title: str | None = None, is_live: bool = False) -> Row:
    # The content is a part, not a string: Gradio strips the white space of strings.
    row: Row = {"role": role, "content": [{"type": "text", "text": text}]}
    if title is not None:
        row["metadata"] = {"title": title, "status": "pending" if is_live else "done"}
    return row
