"""Tools that the server runs itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any

import pytest

from chat.talk import chat, engine
from chat.test_schemas import CALL, HERMES_TEMPLATE
from duihua.chat.tool_loop import LoopLimits
from duihua.errors import ToolFailed
from duihua.parsing.hermes import HERMES
from duihua.server.app import App
from duihua.server.service import Service
from duihua.server.settings import ServeSettings
from duihua.server.tools import ServedTools
from duihua.tools.function import FunctionTool
from duihua.tools.tool import Tool, ToolOutput
from server.asgi import HELLO, Reply, Server, ask, asked
from server.test_functions import ADD, gathered


async def add(a: Annotated[int, "a number", True]) -> str:
    """Adds one."""
    if a > 1:
        raise ToolFailed("too much")
    return str(a + 1)


class Counter:
    """A tool that remembers how often it was called, and whether it was closed."""

    name, description = "add", "Counts."
    parameters: Mapping[str, Any] = {"type": "object", "properties": {}}

    def __init__(self) -> None:
        self.calls = 0
        self.is_closed = False

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        self.calls += 1
        return ToolOutput(f"{self.calls} times")

    async def aclose(self) -> None:
        self.is_closed = True


def running(*answers: str, tool: Tool | None = None, limits: LoopLimits = LoopLimits(), **more: Any) -> Server:
    """A server that runs tools itself."""
    over = chat(engine(*answers), HERMES_TEMPLATE, calls=HERMES, reasoning=("<think>", "</think>"))
    server = Server(over)
    tools = ServedTools([tool or FunctionTool(add)], turn_limits=limits, **more)
    server.service = Service(over, ServeSettings(), tools=tools)
    server.app = App(server.service)
    return server


def results_of(reply: Reply) -> list[dict[str, Any]]:
    """Of a stream."""
    return [chunk["duihua"]["tool_result"] for chunk in reply.chunks if "tool_result" in chunk.get("duihua", {})]


def test_a_call_is_run_and_answered() -> None:
    whole = asked(running(f"Let me see.\n{CALL}", "it is two")).json()
    choice = whole["choices"][0]
    assert choice["message"]["content"] == "Let me see.\n\nit is two"
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "stop"
    (result,) = whole["duihua"]["tool_results"]
    assert (result["name"], result["arguments"], result["content"]) == ("add", '{"a": 1}', "2")
    assert (result["is_error"], result["images"]) == (False, 0)


@pytest.mark.parametrize("fields", [{}, {"logprobs": True}, {"return_token_ids": True}])
@pytest.mark.parametrize("answers", [("hello",), (CALL, "it is two"), (f"Let me see.\n{CALL}", f"and\n{CALL}", "done")])
def test_a_stream_tells_what_the_whole_reply_tells(answers: tuple[str, ...], fields: dict[str, Any]) -> None:
    whole = asked(running(*answers), **fields).json()
    reply = asked(running(*answers), stream=True, stream_options={"include_usage": True}, **fields)
    choice, found = whole["choices"][0], gathered(reply)[0]
    assert (found["content"], found["calls"], found["reason"]) == (choice["message"]["content"], [], "stop")
    assert found["ids"] == choice.get("token_ids", [])
    assert found["rows"] == (choice["logprobs"] or {"content": []})["content"]
    assert reply.chunks[-1]["usage"] == whole["usage"]
    told = [(result["name"], result["content"]) for result in results_of(reply)]
    assert told == [(result["name"], result["content"]) for result in whole.get("duihua", {}).get("tool_results", ())]


def test_a_tool_that_fails_is_told_to_the_model_and_counted() -> None:
    server = running(CALL.replace("1", "7"), "sorry")
    reply = asked(server)
    assert reply.json()["duihua"]["tool_results"][0]["is_error"] is True
    assert 'duihua_tool_calls_total{kind="failed"} 1' in ask(server, "GET", "/metrics").body.decode()


def test_tokens_and_calls_of_every_round_are_counted() -> None:
    broken = CALL.replace("1", "")
    server = running(f"{broken}\n{CALL}", "it is two")
    usage = asked(server).json()["usage"]
    counted = ask(server, "GET", "/metrics").body.decode()
    for kind, count in (
        ("prompt", usage["prompt_tokens"]),
        ("cached", usage["prompt_tokens_details"]["cached_tokens"]),
        ("completion", usage["completion_tokens"]),
    ):
        assert f'duihua_tokens_total{{kind="{kind}"}} {count}\n' in counted
    assert usage["prompt_tokens_details"]["cached_tokens"] > 0
    assert 'duihua_tool_calls_total{kind="malformed"} 1' in counted


def test_a_turn_ends_at_its_bounds_and_says_at_which() -> None:
    reply = asked(running(CALL, CALL, limits=LoopLimits(rounds=1))).json()
    choice = reply["choices"][0]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("length", "tool_limit")
    assert len(reply["duihua"]["tool_results"]) == 2


def test_a_request_that_brings_tools_gets_its_own_calls() -> None:
    reply = asked(running(CALL), tools=[ADD]).json()
    assert reply["choices"][0]["finish_reason"] == "tool_calls"
    assert "duihua" not in reply


@pytest.mark.parametrize("fields", [{"tool_choice": "none"}, {"response_format": {"type": "json_object"}}])
def test_a_request_may_go_without(fields: dict[str, Any]) -> None:
    reply = asked(running("hello", "hello"), **fields).json()
    assert reply["choices"][0]["message"]["content"] == "hello"


def test_the_first_round_may_have_to_call() -> None:
    named = {"type": "function", "function": {"name": "add"}}
    server = running("hello", '{"a": 1}', "it is two")
    reply = asked(server, tool_choice=named).json()
    assert [json.loads(result["arguments"]) for result in reply["duihua"]["tool_results"]] == [{"a": 1}]
    assert reply["choices"][0]["message"]["content"] == "it is two"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"best_of": 2}, "best_of"),
        ({"add_generation_prompt": False}, "add_generation_prompt"),
        ({"tool_choice": {"type": "function", "function": {"name": "b"}}}, "tool_choice.function.name"),
    ],
)
def test_what_such_a_turn_cannot_be_is_refused(fields: dict[str, Any], param: str) -> None:
    reply = asked(running("hello"), **fields)
    assert (reply.status, reply.error["param"]) == (400, param)


def test_each_turn_has_a_tool_that_remembers_for_itself() -> None:
    made: list[Counter] = []

    def fresh() -> list[Tool]:
        made.append(Counter())
        return [made[-1]]

    server = running(CALL, "one", CALL, "two", tool=Counter(), of_a_turn=fresh)
    for _ in range(2):
        assert asked(server).json()["duihua"]["tool_results"][0]["content"] == "1 times"
    assert [(counter.calls, counter.is_closed) for counter in made] == [(1, True), (1, True)]


def test_who_leaves_stops_the_tool() -> None:
    began, stopped = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        """Takes for ever."""
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return ""

    async def leave() -> None:
        server = running('<tool_call>\n{"name": "slow", "arguments": {}}\n</tool_call>', tool=FunctionTool(slow))
        async with server.call("POST", "/v1/chat/completions", {"messages": list(HELLO), "stream": True}) as call:
            await asyncio.wait_for(began.wait(), 10)
            call.leave()
            await asyncio.wait_for(stopped.wait(), 10)
        await server.service.aclose()

    asyncio.run(leave())
