"""Tools in Python: what may be given, where it runs, who is asked, and what the demo makes of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

import duihua
from duihua.api.tools import read_tools
from duihua.errors import ConfigError, InvalidParameter
from duihua.events import Event, Finished, RoundFinished, TextDelta, ToolCallReady, ToolResult
from duihua.messages import Message
from duihua.tools.approval import Question
from duihua.tools.calculator import calculator
from duihua.tools.tool import ToolOutput, schema_of

ASKED = {"en": ("What is 37*89?", "3293"), "zh": ("37*89是多少？", "3293")}
GREEDY: dict[str, Any] = {"temperature": 0}


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


@duihua.tool
def get_weather(city: str) -> dict[str, object]:
    """查询城市的天气。

    Args:
        city: 城市
    """
    return {"city": city, "weather": "晴", "temperature": 21}


class Elsewhere:
    """A tool that notes what happens to it."""

    name = "get_weather"
    description = get_weather.description
    parameters = get_weather.parameters

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.closed = 0

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        self.threads.append(threading.get_ident())
        return await get_weather.call(arguments)

    async def aclose(self) -> None:
        self.closed += 1


def answered(reply: duihua.Reply) -> list[tuple[str, str]]:
    return [(step.call.name, step.content) for step in reply.steps]


# What the demo makes of it


@pytest.mark.parametrize("language", ASKED)
def test_the_demo_uses_the_calculator(demo: duihua.Model, language: str) -> None:
    question, product = ASKED[language]
    reply, history = demo.chat(question, tools=[calculator()], **GREEDY)
    assert product in reply
    assert answered(reply) == [("calculator", product)]
    assert (reply.finish_reason, reply.tool_calls) == ("stop", ())
    assert [message.role for message in history] == ["user", "assistant", "tool", "assistant"]
    assert history[1:] == list(reply.messages)


@pytest.mark.parametrize(
    ("question", "city"), [("北京今天天气怎么样？", "北京"), ("What is the weather in London?", "London")]
)
def test_the_demo_uses_a_function_of_ours(demo: duihua.Model, question: str, city: str) -> None:
    reply, _ = demo.chat(question, tools=[get_weather], **GREEDY)
    assert json.loads(reply.steps[0].call.arguments) == {"city": city}
    assert "21" in reply


def test_every_way_to_ask_runs_tools(demo: duihua.Model) -> None:
    question = ASKED["en"][0]
    tools = [calculator()]

    async def ask() -> tuple[str, list[Event]]:
        reply, _ = await demo.achat(question, tools=tools, **GREEDY)
        return reply, [event async for event in demo.astream(question, tools=tools, **GREEDY)]

    reply, streamed = asyncio.run(ask())
    whole = demo.chat(question, tools=tools, **GREEDY)[0]
    told = demo.conversation(tools=tools, **GREEDY).send(question)
    assert whole == reply == told == said(streamed) == said(list(demo.stream(question, tools=tools, **GREEDY)))
    assert [type(event) for event in streamed if isinstance(event, ToolResult | RoundFinished | Finished)] == [
        RoundFinished, ToolResult, Finished,
    ]  # fmt: skip


def said(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_each_round_s_prompt_goes_on_from_the_last_token_of_the_one_before(demo: duihua.Model) -> None:
    events = list(demo.stream("58*67是多少？", tools=[calculator()], **GREEDY))
    first = next(event.usage for event in events if isinstance(event, RoundFinished))
    total = next(event.usage for event in events if isinstance(event, Finished))
    assert total.cached_tokens - first.cached_tokens >= first.prompt_tokens + first.completion_tokens - 1
    assert total.prompt_tokens > 2 * first.prompt_tokens
    assert total.completion_tokens > first.completion_tokens


def test_what_is_explained_is_what_is_asked(demo: duihua.Model) -> None:
    asked = [Message("user", "37*89是多少？")]
    explained = demo.explain(asked, tools=[calculator()])
    assert explained == demo.explain(asked, tools=[schema_of(calculator())])
    reply, _ = demo.chat(asked[0].content, tools=[calculator()], run_tools=False, **GREEDY)
    assert len(explained.token_ids) == reply.usage.prompt_tokens


def test_calls_are_handed_out_where_tools_are_not_to_run(demo: duihua.Model) -> None:
    for tools in ([calculator()], [schema_of(calculator())]):
        run: dict[str, Any] = {} if isinstance(tools[0], dict) else {"run_tools": False}
        events = list(demo.stream("37*89是多少？", tools=tools, **run, **GREEDY))
        assert [event.call.name for event in events if isinstance(event, ToolCallReady)] == ["calculator"]
        assert not any(isinstance(event, ToolResult) for event in events)
        reply, _ = demo.chat("37*89是多少？", tools=tools, **run, **GREEDY)
        assert (reply.finish_reason, reply.tool_calls[0].name, reply.steps) == ("tool_calls", "calculator", ())


def test_a_history_that_ends_with_results_is_answered_and_goes_on_calling(demo: duihua.Model) -> None:
    tools = [calculator()]
    reply, history = demo.chat("37*89是多少？", tools=tools, run_tools=False, **GREEDY)
    history.append(Message("tool", "3293", tool_call_id=reply.tool_calls[0].id))
    answer, history = demo.chat(None, history=history, tools=tools, **GREEDY)
    assert "3293" in answer
    assert answer.steps == ()
    assert [message.role for message in history] == ["user", "assistant", "tool", "assistant"]


def test_a_choice_of_tools_holds_for_the_first_answer(demo: duihua.Model) -> None:
    reply, _ = demo.chat("What is 37*89?", tools=[calculator(), get_weather], tool_choice="required", **GREEDY)
    assert reply.steps
    assert reply.finish_reason == "stop"
    named: dict[str, Any] = {"type": "function", "function": {"name": "get_weather"}}
    reply, _ = demo.chat("北京今天天气怎么样？", tools=[calculator(), get_weather], tool_choice=named, **GREEDY)
    assert reply.steps[0].call.name == "get_weather"
    assert reply.finish_reason == "stop"


def test_a_turn_is_bounded_and_the_reply_says_so(demo: duihua.Model) -> None:
    limits = duihua.LoopLimits(seconds=1e-9)
    reply, history = demo.chat("37*89是多少？", tools=[calculator()], loop_limits=limits, **GREEDY)
    assert (reply, reply.finish_reason, reply.tool_calls) == ("", "tool_calls", ())
    assert "it was not run: this turn has had its" in reply.steps[0].content
    assert [message.role for message in history] == ["user", "assistant", "tool"]
    assert demo.chat(None, history=history, tools=[calculator()], **GREEDY)[0]


# Where they run, and who is asked


def test_async_tools_of_the_twins_run_where_the_caller_is_and_others_in_the_model_s_loop(demo: duihua.Model) -> None:
    given = Elsewhere()

    async def ask() -> int:
        await demo.achat("北京今天天气怎么样？", tools=[given], **GREEDY)
        return threading.get_ident()

    here = asyncio.run(ask())
    demo.chat("北京今天天气怎么样？", tools=[given], **GREEDY)
    assert given.threads[0] == here != given.threads[1]


def test_cancelling_a_twin_reaches_a_tool_that_hangs(demo: duihua.Model) -> None:
    async def ask() -> bool:
        hangs, ended = asyncio.Event(), asyncio.Event()

        @duihua.tool
        async def get_weather(city: str) -> str:
            """查询城市的天气。"""
            try:
                hangs.set()
                await asyncio.Event().wait()
            finally:
                ended.set()
            return city

        turn = asyncio.create_task(demo.achat("北京今天天气怎么样？", tools=[get_weather], **GREEDY))
        await hangs.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        await asyncio.wait_for(ended.wait(), 10)
        return True

    assert asyncio.run(ask())


def test_closing_a_stream_reaches_a_tool_that_hangs(demo: duihua.Model) -> None:
    ended = threading.Event()

    @duihua.tool
    async def get_weather(city: str) -> str:
        """查询城市的天气。"""
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return city

    events = demo.stream(
        "北京今天天气怎么样？", tools=[get_weather], loop_limits=duihua.LoopLimits(seconds=1), **GREEDY
    )
    assert "did not end within" in next(event.content for event in events if isinstance(event, ToolResult))
    events.close()  # type: ignore[attr-defined]
    assert ended.wait(10)


@pytest.mark.parametrize("answer", [True, "yes", "always", False, "no"])
def test_approval_is_asked_before_a_call(demo: duihua.Model, answer: Any) -> None:
    asked: list[Question] = []

    def approve(question: Question) -> Any:
        asked.append(question)
        return answer

    reply, _ = demo.chat("北京今天天气怎么样？", tools=[get_weather], approve=approve, **GREEDY)
    assert (asked[0].tool, asked[0].arguments) == ("get_weather", {"city": "北京"})
    assert reply.steps[0].is_error == (answer in (False, "no"))


@pytest.mark.parametrize("said", [None, "perhaps", ValueError("no")])
def test_what_is_no_answer_allows_nothing(demo: duihua.Model, said: Any) -> None:
    def approve(_: Question) -> Any:
        if isinstance(said, Exception):
            raise said
        return said

    reply, _ = demo.chat("北京今天天气怎么样？", tools=[get_weather], approve=approve, **GREEDY)
    assert reply.steps[0].is_error


def test_approval_may_be_async_and_is_asked_on_the_caller_s_loop(demo: duihua.Model) -> None:
    async def ask() -> bool:
        mine = asyncio.get_running_loop()
        asked: list[bool] = []

        async def approve(_: Question) -> bool:
            asked.append(asyncio.get_running_loop() is mine)
            return True

        reply, _ = await demo.achat("北京今天天气怎么样？", tools=[get_weather], approve=approve, **GREEDY)
        return asked == [True] and not reply.steps[0].is_error

    assert asyncio.run(ask())


def test_always_holds_for_a_conversation(demo: duihua.Model) -> None:
    asked: list[Question] = []

    def approve(question: Question) -> Any:
        asked.append(question)
        return "always"

    conversation = demo.conversation(tools=[calculator()], approve=approve, **GREEDY)
    for question in ("37*89是多少？", "12*34是多少？"):
        assert not conversation.send(question).steps[0].is_error
    assert len(asked) == 1


def test_tools_that_ran_are_closed_with_the_model() -> None:
    given = Elsewhere()
    with duihua.load("demo", context_window=1024) as model:
        model.chat("北京今天天气怎么样？", tools=[given], **GREEDY)
        assert given.threads
        assert given.closed == 0
    assert given.closed == 1


# What may be given


def test_functions_tools_and_toolboxes_are_run_and_schemas_handed_out() -> None:
    for tools in ([multiply], [duihua.tool(multiply)], [Elsewhere()], duihua.Toolbox([get_weather])):
        given = read_tools(tools)
        assert given.toolbox is not None
        assert given.schemas == ()
        assert len(given.told) == 1
        assert read_tools(tools, run=False).schemas == given.told
    schema = schema_of(get_weather)
    assert read_tools([schema]).schemas == (schema,)
    assert read_tools([schema]).toolbox is None
    assert len(read_tools([schema, multiply], run=False).schemas) == 2


def test_limits_of_a_toolbox_hold_behind_approval() -> None:
    limits = duihua.ToolLimits(seconds=3)
    runnable = read_tools(duihua.Toolbox([get_weather], limits=limits), approve=bool).runnable()
    assert runnable is not None
    assert runnable.limits == limits


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({"tools": "calculator"}, "tools"),
        ({"tools": [5]}, "tools"),
        ({"tools": [int]}, "tools"),
        ({"tools": 5}, "tools"),
        ({"tools": [multiply, schema_of(get_weather)]}, "give one kind, or run_tools=False"),
        ({"tools": [multiply], "run": 1}, "run_tools"),
        ({"tools": [multiply], "approve": "yes"}, "approve"),
        ({"tools": [schema_of(get_weather)], "approve": bool}, "no tool is run here"),
        ({"tools": (), "approve": bool}, "no tool is run here"),
    ],
)
def test_anything_else_is_refused_by_name(said: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidParameter, match=name):
        read_tools(**said)


def test_two_functions_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two tools are called 'multiply'"):
        read_tools([multiply, multiply])
