"""Calls and results stand on one line each, whatever is in them."""

from __future__ import annotations

import pytest

from duihua.chat.conversation import Entry
from duihua.events import ToolResult
from duihua.messages import Message, ToolCall
from duihua.terminal.calls import call_line, call_pieces, last_calls, result_line
from duihua.terminal.output import width
from duihua.terminal.texts import Say


def call(arguments: str, name: str = "weather") -> ToolCall:
    return ToolCall("call_1", name, arguments)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ('{"city": "巴黎", "days": 2}', "weather(city: 巴黎, days: 2)"),
        ('{"names": ["a"], "is_it": true}', 'weather(names: ["a"], is_it: true)'),
        ("{}", "weather()"),
        ("", "weather()"),
        ("[1]", "weather([1])"),
        ("not json", "weather(not json)"),
        ('{"code": "a\\n  b\\u001b[2J"}', "weather(code: a b␛[2J)"),
    ],
)
def test_a_call_is_its_name_and_arguments(arguments: str, line: str) -> None:
    assert call_line(call(arguments), 80) == line


def test_a_result_is_behind_its_call_with_its_time() -> None:
    result = ToolResult(call=call('{"expression": "37*89"}', "calculator"), content="3293", seconds=0.12)
    assert result_line(Say("en"), result, 80) == "calculator(expression: 37*89) → 3293 · 0.1 s"
    nothing = ToolResult(call=call("{}"), content="")
    assert result_line(Say("zh"), nothing, 80) == "weather() → （无文字） · 0.0 秒"


@pytest.mark.parametrize("columns", [48, 79, 200])
def test_a_long_call_and_a_long_result_share_a_line(columns: int) -> None:
    result = ToolResult(call=call('{"text": "' + "长" * 300 + '"}'), content="word\n" * 300)
    line = result_line(Say("en"), result, columns)
    assert width(line) <= columns
    assert line.startswith("weather(text: 长")
    assert " → word word" in line
    assert line.endswith("… · 0.0 s")


def test_a_short_result_leaves_the_room_to_its_call() -> None:
    result = ToolResult(call=call('{"text": "' + "x" * 300 + '"}'), content="ok")
    assert width(result_line(Say("en"), result, 80)) == 80


def test_in_full_each_argument_has_its_lines() -> None:
    pieces = call_pieces(call('{"code": "a = 1\\nprint(a)", "times": 2}', "python"))
    assert "".join(text for text, _ in pieces) == "python\n  code: a = 1\n  print(a)\n  times: 2"


def test_the_last_calls_are_those_of_the_last_turn_that_made_some() -> None:
    first, second, third = (ToolCall(f"call_{number}", "add", "{}") for number in range(3))
    record = [
        Message("user", "a"),
        Message("assistant", tool_calls=(first,)),
        Message("tool", "0", tool_call_id="call_0"),
        Message("user", "b"),
        Message("assistant", tool_calls=(second,)),
        Message("tool", "1", tool_call_id="call_1"),
        Message("assistant", tool_calls=(third,)),
        Message("user", "c"),
        Message("assistant", "no call"),
    ]
    found = last_calls([Entry(message) for message in record])
    assert [(made.id, result and result.content) for made, result in found] == [("call_1", "1"), ("call_2", None)]
    assert last_calls([Entry(record[0])]) == []
