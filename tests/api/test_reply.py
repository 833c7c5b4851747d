"""A reply that asks for calls, from the model that calls."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

import duihua
from duihua.api.reply import ReplyFold
from duihua.errors import InvalidMessages, InvalidParameter
from duihua.events import (
    Event,
    Finished,
    TextDelta,
    ToolCallDelta,
    ToolCallReady,
    TurnFinished,
    TurnStarted,
    Usage,
    WindowReport,
)
from duihua.messages import ToolCall

CALCULATOR = {
    "type": "function",
    "function": {
        "name": "calculator",
        "description": "计算一个算式的值。",
        "parameters": {
            "type": "object",
            "properties": {"expression": {"type": "string", "description": "算式"}},
            "required": ["expression"],
        },
    },
}
USAGE = Usage(prompt_tokens=1, completion_tokens=1)
REPORT = WindowReport(context_window=9, limit=8, reserve=1, prompt_tokens=1, kept_exchanges=1)


def test_each_choice_gets_its_own_calls() -> None:
    call = ToolCall("call_1", "add", "{}")
    fold = ReplyFold()
    for event in (
        ToolCallDelta(index=0, id="call_1", name="add", choice=1),
        TextDelta(text="a"),
        ToolCallReady(index=0, call=call, choice=1),
        Finished(reason="tool_calls", choice=1, usage=USAGE),
        Finished(reason="stop", usage=USAGE),
        TurnFinished(usage=USAGE, window=REPORT),
    ):
        fold.add(event)
    first, second = fold.replies()
    assert (first, first.tool_calls, first.finish_reason) == ("a", (), "stop")
    assert (second, second.tool_calls, second.finish_reason) == ("", (call,), "tool_calls")
    assert second.message.tool_calls == (call,)


def result_of(call: ToolCall) -> dict[str, Any]:
    left, right = json.loads(call.arguments)["expression"].split("*")
    return {"role": "tool", "tool_call_id": call.id, "content": str(int(left) * int(right))}


def test_the_demo_calls_a_calculator_and_reads_its_result(demo: duihua.Model) -> None:
    reply, history = demo.chat("37*89是多少？", tools=[CALCULATOR], temperature=0)
    assert (reply, reply.finish_reason) == ("", "tool_calls")
    assert [(call.name, json.loads(call.arguments)) for call in reply.tool_calls] == [
        ("calculator", {"expression": "37*89"})
    ]
    history.append(result_of(reply.tool_calls[0]))
    answer, history = demo.chat(None, history=history, tools=[CALCULATOR], temperature=0)
    assert "3293" in answer
    assert [message.role for message in history] == ["user", "assistant", "tool", "assistant"]


def test_calls_stream_and_their_ids_are_cached_in_the_next_prompt(demo: duihua.Model) -> None:
    reply, history = demo.chat("12*34是多少？", tools=[CALCULATOR], temperature=0)
    history.append(result_of(reply.tool_calls[0]))
    events: list[Event] = list(demo.stream(None, history=history, tools=[CALCULATOR], temperature=0))
    started = next(event for event in events if isinstance(event, TurnStarted))
    assert started.cached_tokens >= reply.usage.prompt_tokens + reply.usage.completion_tokens - 1

    async def streamed() -> list[Event]:
        return [event async for event in demo.astream("12*34是多少？", tools=[CALCULATOR], temperature=0)]

    deltas = [event for event in asyncio.run(streamed()) if isinstance(event, ToolCallDelta)]
    assert deltas[0].name == "calculator"
    assert "".join(event.arguments for event in deltas) == reply.tool_calls[0].arguments


def test_the_demo_does_not_call_what_it_does_not_need(demo: duihua.Model) -> None:
    reply, _ = demo.chat("你好", tools=[CALCULATOR], temperature=0)
    assert reply
    assert not reply.tool_calls


def test_the_tools_stand_in_the_prompt(demo: duihua.Model) -> None:
    explained = demo.explain([{"role": "user", "content": "hello"}], tools=[CALCULATOR])
    assert "calculator" in explained.text
    assert [part.owner for part in explained.parts if "calculator" in part.text] == ["tools"]


def test_what_is_no_list_of_tools_is_refused(demo: duihua.Model) -> None:
    with pytest.raises(InvalidParameter, match="tools"):
        demo.chat("hello", tools="calculator")  # type: ignore[arg-type]  # callers are not all typed
    with pytest.raises(InvalidParameter, match="tools"):
        demo.chat("hello", tools=["calculator"])  # type: ignore[list-item]
    with pytest.raises(InvalidMessages):
        demo.chat(None, tools=[CALCULATOR])
