"""Calls as rows: told when they are sure."""

from __future__ import annotations

from typing import Any

from duihua.events import ToolCallDelta, ToolCallReady
from duihua.messages import ToolCall
from duihua.server.calls import CallRows, gathered

BEGUN = ToolCallDelta(index=0, id="c1", name="add")
ARGUMENTS = [ToolCallDelta(index=0, arguments=part) for part in ('{"a"', ": 1}")]
READY = ToolCallReady(index=0, call=ToolCall("c1", "add", '{"a": 1}'))
WHOLE = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


def rows_of(*events: ToolCallDelta | ToolCallReady, is_sure: bool) -> list[dict[str, Any]]:
    rows = CallRows(is_sure=is_sure)
    return [row for event in events for row in rows.take(event)]


def test_a_call_that_may_be_none_is_told_in_one_piece_when_it_is_complete() -> None:
    assert rows_of(BEGUN, *ARGUMENTS, is_sure=False) == []
    assert rows_of(BEGUN, *ARGUMENTS, READY, is_sure=False) == [{"index": 0, **WHOLE}]


def test_a_call_that_was_given_up_leaves_no_gap() -> None:
    after = ToolCallReady(index=1, call=READY.call)
    assert [row["index"] for row in rows_of(BEGUN, BEGUN, after, is_sure=False)] == [0]


def test_a_call_that_must_be_is_told_as_it_comes() -> None:
    first, *rest = rows_of(BEGUN, *ARGUMENTS, READY, is_sure=True)
    assert first == {"index": 0, "id": "c1", "type": "function", "function": {"name": "add", "arguments": ""}}
    assert rest == [{"index": 0, "function": {"arguments": part.arguments}} for part in ARGUMENTS]


def test_rows_gather_to_the_same_calls_either_way() -> None:
    for is_sure in (True, False):
        calls: list[dict[str, Any]] = []
        gathered(calls, rows_of(BEGUN, *ARGUMENTS, READY, is_sure=is_sure))
        assert calls == [WHOLE]
