"""A conversation as the rows of a chat view; every text of it stays data."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from duihua.chat.conversation import Entry
from duihua.web.markdown import of_answer, of_person
from duihua.web.texts import Say
from duihua.web.turn import Turn

__all__ = ["Row", "rows_of_record", "rows_of_turn"]

Row = dict[str, Any]
"""A message as Gradio's chat view takes it."""

_WAITING = "…"


def rows_of_record(say: Say, record: Sequence[Entry]) -> list[Row]:
    """What was said. A turn that failed shows what there was of its answer, folded; without one it shows nothing."""
    rows: list[Row] = []
    for entry, after in zip_longest(record, record[1:]):
        message = entry.message
        if message.role == "user":
            if entry.outcome in ("complete", "stopped") or (after is not None and after.message.role == "assistant"):
                rows.append(_row("user", of_person(message.content)))
        elif entry.outcome == "failed":
            rows.append(_row("assistant", of_answer(message.content), title=say("failed")))
        else:
            rows += _answer(say, message.reasoning, message.content)
    return rows


def rows_of_turn(say: Say, turn: Turn) -> list[Row]:
    """A turn that runs."""
    user = _row("user", of_person(turn.text))
    if not turn.reply.has_begun:
        return [user, _row("assistant", _WAITING)]
    reasoning, text = "".join(turn.reply.reasoning), "".join(turn.reply.text)
    return [user, *_answer(say, reasoning, text, is_live=not text)]


def _answer(say: Say, reasoning: str, text: str, *, is_live: bool = False) -> list[Row]:
    thinking = [_row("assistant", of_answer(reasoning), title=say("thinking"), is_live=is_live)] if reasoning else []
    return [*thinking, *([_row("assistant", of_answer(text))] if text or not thinking else [])]


def _row(role: str, text: str, *, title: str | None = None, is_live: bool = False) -> Row:
    # The content is a part, not a string: Gradio strips the white space of strings.
    row: Row = {"role": role, "content": [{"type": "text", "text": text}]}
    if title is not None:
        row["metadata"] = {"title": title, "status": "pending" if is_live else "done"}
    return row
