"""A conversation in Python: what it keeps, with tools and without."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import duihua
from duihua.errors import InvalidMessages, InvalidParameter
from duihua.events import TextDelta, ToolResult
from duihua.messages import Message
from duihua.tools.calculator import calculator
from duihua.tools.tool import schema_of


def test_a_conversation_keeps_its_own_history_and_its_prefix(demo: duihua.Model) -> None:
    conversation = demo.conversation(temperature=0)
    conversation.send("My name is Anna")
    reply = conversation.send("What is my name?")
    assert "Anna" in reply
    assert reply.usage.cached_tokens > 8
    assert len(conversation.history) == 4
    conversation.clear()
    assert conversation.history == ()


def test_closing_a_stream_stops_it_and_keeps_what_was_said(demo: duihua.Model) -> None:
    conversation = demo.conversation(temperature=0)
    events = conversation.stream("who are you?")
    for event in events:
        if isinstance(event, TextDelta):
            break
    events.close()  # type: ignore[attr-defined]
    assert [message.role for message in conversation.history] == ["user", "assistant"]
    assert demo.chat("hi")[0]


def test_a_conversation_may_change_its_voice_and_change_it_back(crew: duihua.Model) -> None:
    conversation = crew.conversation(temperature=0, max_tokens=12)
    voices = ("", "pirate", "")
    answers: list[str] = []
    for conversation.adapter in voices:
        conversation.clear()
        answers.append(conversation.send("hello"))
    assert conversation.adapter == ""
    assert answers[0] == answers[2] != answers[1]
    with pytest.raises(InvalidParameter, match="adapter=5"):
        conversation.adapter = 5  # type: ignore[assignment]


def test_calls_and_results_stay_in_the_history_and_their_prefix_is_cached(demo: duihua.Model) -> None:
    conversation = demo.conversation(tools=[calculator()], temperature=0)
    first = conversation.send("37*89是多少？")
    second = conversation.send("12*34是多少？")
    assert ("3293" in first, "408" in second) == (True, True)
    assert [message.role for message in conversation.history] == ["user", "assistant", "tool", "assistant"] * 2
    assert second.usage.cached_tokens > second.usage.prompt_tokens - 60


def test_a_stop_among_the_tools_keeps_their_results_and_they_can_be_answered(demo: duihua.Model) -> None:
    conversation = demo.conversation(tools=[calculator()], temperature=0)
    events = conversation.stream("37*89是多少？")
    for event in events:
        if isinstance(event, ToolResult):
            break
    events.close()  # type: ignore[attr-defined]
    assert [message.role for message in conversation.history] == ["user", "assistant", "tool"]
    assert "3293" in conversation.send(None)
    assert len(conversation.history) == 4


def test_a_tool_that_hangs_ends_with_the_turn(demo: duihua.Model) -> None:
    hangs, let_go = threading.Event(), threading.Event()

    def get_weather(city: str) -> str:
        """查询城市的天气。"""
        hangs.set()
        let_go.wait(60)
        return city

    limits = duihua.LoopLimits(seconds=0.5)
    conversation = demo.conversation(tools=[get_weather], loop_limits=limits, temperature=0)
    try:
        reply = conversation.send("北京今天天气怎么样？")
    finally:
        let_go.set()
    assert hangs.is_set()
    assert "did not end within" in reply.steps[0].content


def test_a_choice_of_tools_is_for_one_turn(demo: duihua.Model) -> None:
    conversation = demo.conversation(tools=[calculator()], temperature=0)
    assert conversation.send("37*89是多少？", tool_choice="none").steps == ()
    assert conversation.send("37*89是多少？").steps


def test_what_a_conversation_cannot_run_is_refused(demo: duihua.Model) -> None:
    said: list[dict[str, Any]] = [
        {"tools": [schema_of(calculator())]}, {"tools": [calculator()], "run_tools": False}, {"approve": bool},
        {"loop_limits": 3},
    ]  # fmt: skip
    for each in said:
        with pytest.raises(InvalidParameter):
            demo.conversation(**each)
    with pytest.raises(InvalidParameter, match="run_tools"):
        demo.conversation().send("hi", run_tools=False)
    with pytest.raises(InvalidMessages, match="NoneType"):
        demo.conversation(history=[Message("user", "hi"), Message("assistant", "hello")]).send(None)
