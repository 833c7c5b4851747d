"""A conversation with tools: what stays of a turn that ends in the middle of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from chat.talk import Turnstile, chat, collect, engine, ids
from chat.test_schemas import HERMES_TEMPLATE
from chat.test_tool_loop import add, call
from duihua.chat.conversation import Conversation
from duihua.chat.tool_loop import LoopLimits
from duihua.engine.scripted import ScriptedEngine
from duihua.errors import GenerationFailed, InvalidMessages
from duihua.events import Event, Finished, RoundFinished, ToolCallDelta, ToolResult, TurnStarted
from duihua.parsing.hermes import HERMES
from duihua.tools.function import tool
from duihua.tools.tool import Tool
from duihua.tools.toolbox import Toolbox


def talking(over: ScriptedEngine, *tools: Tool, rounds: int = 8) -> Conversation:
    service = chat(over, HERMES_TEMPLATE, calls=HERMES)
    return Conversation(service, toolbox=Toolbox(tools or [add]), limits=LoopLimits(rounds=rounds))


def roles(conversation: Conversation) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in conversation.context]


def outcomes(conversation: Conversation) -> list[tuple[str, str]]:
    return [(entry.message.role, entry.outcome) for entry in conversation.record]


def run(check: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(check())


async def stop_when(conversation: Conversation, reached: asyncio.Event) -> None:
    turn = asyncio.create_task(collect(conversation.send("hello")))
    await reached.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn


def test_calls_and_results_stay_between_question_and_answer() -> None:
    async def check() -> None:
        conversation = talking(engine(call(), "two", "again"))
        await collect(conversation.send("hello"))
        await collect(conversation.send("more"))
        assert roles(conversation) == [
            ("user", "hello"), ("assistant", ""), ("tool", "2"), ("assistant", "two"),
            ("user", "more"), ("assistant", "again"),
        ]  # fmt: skip
        asking, result = conversation.context[1:3]
        assert asking.tool_calls[0].id == result.tool_call_id
        assert {outcome for _, outcome in outcomes(conversation)} == {"complete"}

    run(check)


def test_the_next_turn_finds_every_round_cached() -> None:
    async def check() -> None:
        over = engine(call(), "two", "again")
        conversation = talking(over)
        await collect(conversation.send("hello"))
        events = await collect(conversation.send("more"))
        started = next(event for event in events if isinstance(event, TurnStarted))
        assert started.cached_tokens >= len(over.requests[1].token_ids) + len(ids("two"))

    run(check)


def test_a_stop_while_tools_run_reaches_them_and_keeps_what_they_gave() -> None:
    async def check() -> None:
        hangs, ended = asyncio.Event(), asyncio.Event()

        @tool
        async def hang() -> None:
            """Hang."""
            try:
                hangs.set()
                await asyncio.Event().wait()
            finally:
                ended.set()

        conversation = talking(engine(f"{call()}\n{call('{}', 'hang')}", "again"), add, hang)
        told = asyncio.Event()

        async def read() -> None:
            async for event in conversation.send("hello"):
                if isinstance(event, ToolResult):
                    told.set()

        turn = asyncio.create_task(read())
        await told.wait()
        await hangs.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert ended.is_set()
        assert [role for role, _ in roles(conversation)] == ["user", "assistant", "tool", "tool"]
        assert conversation.context[2].content == "2"
        assert "it was stopped" in conversation.context[3].content
        assert {outcome for _, outcome in outcomes(conversation)} == {"stopped"}
        assert conversation.unsent is None
        await collect(conversation.send("more"))
        assert roles(conversation)[-1] == ("assistant", "again")

    run(check)


def test_leaving_the_stream_between_results_is_a_stop() -> None:
    async def check() -> None:
        conversation = talking(engine(call(), "never"))
        events = conversation.send("hello")
        async for event in events:
            if isinstance(event, ToolResult):
                break
        await events.aclose()
        assert roles(conversation) == [("user", "hello"), ("assistant", ""), ("tool", "2")]

    run(check)


def test_a_stop_inside_a_call_drops_it_and_keeps_finished_rounds() -> None:
    async def check() -> None:
        first, half = call(), call('{"a": 5}')
        gate = Turnstile(len(ids(first)) + 1 + len(ids(f"hello\n{half}")) - 4)
        conversation = talking(engine(first, f"hello\n{half}", gate=gate))
        await stop_when(conversation, gate.reached)
        assert roles(conversation) == [("user", "hello"), ("assistant", ""), ("tool", "2"), ("assistant", "hello")]
        assert not conversation.context[-1].tool_calls

    run(check)


def test_a_stop_after_a_whole_call_that_was_not_run_drops_the_call() -> None:
    async def check() -> None:
        gate = Turnstile(len(ids(call())))
        conversation = talking(engine(f"{call()}\n{call()}", gate=gate))
        await stop_when(conversation, gate.reached)
        assert roles(conversation)[:1] == [("user", "hello")]
        assert not any(message.tool_calls for message in conversation.context)

    run(check)


def test_a_stop_before_the_next_answer_s_first_token_keeps_the_round() -> None:
    async def check() -> None:
        gate = Turnstile(len(ids(call())) + 1)
        conversation = talking(engine(call(), "two", gate=gate))
        await stop_when(conversation, gate.reached)
        assert roles(conversation) == [("user", "hello"), ("assistant", ""), ("tool", "2")]
        assert conversation.unsent is None

    run(check)


def test_an_error_after_tools_ran_keeps_their_rounds_and_the_turn_can_go_on() -> None:
    async def check() -> None:
        count = 0

        async def gate() -> None:
            nonlocal count
            count += 1
            if count == len(ids(call())) + 3:
                raise GenerationFailed("lost")

        over = engine(call(), "hello hello", "two", gate=gate)
        conversation = talking(over)
        with pytest.raises(GenerationFailed):
            await collect(conversation.send("hello"))
        assert roles(conversation) == [("user", "hello"), ("assistant", ""), ("tool", "2")]
        assert outcomes(conversation)[-1] == ("assistant", "failed")
        assert conversation.unsent is None
        await collect(conversation.send(None))
        assert roles(conversation)[2:] == [("tool", "2"), ("assistant", "two")]

    run(check)


def test_an_error_before_any_tool_ran_leaves_the_context_as_it_was() -> None:
    async def check() -> None:
        conversation = talking(engine(call(), failure=(3, GenerationFailed("lost"))))
        with pytest.raises(GenerationFailed):
            await collect(conversation.send("hello"))
        assert conversation.context == ()
        assert conversation.unsent == "hello"

    run(check)


def test_a_turn_whose_rounds_ran_out_can_go_on() -> None:
    async def check() -> None:
        conversation = talking(engine(call(), call(), "two"), rounds=1)
        events = await collect(conversation.send("hello"))
        assert next(event.reason for event in events if isinstance(event, Finished)) == "tool_calls"
        assert [role for role, _ in roles(conversation)] == ["user", "assistant", "tool", "assistant", "tool"]
        await collect(conversation.send(None))
        assert roles(conversation)[-1] == ("assistant", "two")

    run(check)


def test_there_must_be_results_to_go_on_with() -> None:
    async def check() -> None:
        with pytest.raises(InvalidMessages, match="no results"):
            await collect(talking(engine("never")).send(None))

    run(check)


def test_tools_may_come_and_go_between_turns() -> None:
    async def check() -> None:
        conversation = talking(engine(call(), "two", call()))
        await collect(conversation.send("hello"))
        conversation.toolbox = None
        events: list[Event] = await collect(conversation.send("more"))
        assert not any(isinstance(event, RoundFinished | ToolCallDelta) for event in events)
        assert roles(conversation)[-1] == ("assistant", call())

    run(check)
