"""The tool loop over the scripted engine: what it asks, runs, tells, bounds and stops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from chat.talk import chat, collect, engine, ids
from chat.test_schemas import HERMES_TEMPLATE, finished, text_of
from chat.test_stages import Busy
from duihua.chat.chat import Chat
from duihua.chat.protocol import TurnOptions
from duihua.chat.tool_loop import LoopLimits, stream_with_tools
from duihua.engine.scripted import ScriptedEngine
from duihua.errors import ConfigError, EngineBusy, InvalidParameter
from duihua.events import Event, Finished, RoundFinished, ToolResult, TurnFinished, TurnStarted
from duihua.messages import Message
from duihua.parsing.hermes import HERMES
from duihua.sampling import Sampling
from duihua.tools.function import tool
from duihua.tools.tool import Tool
from duihua.tools.toolbox import Toolbox
from prompt import traits

ASK = [Message("user", "hello")]


@tool
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def call(arguments: str = '{"a": 1}', name: str = "add") -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


def service(over: ScriptedEngine) -> Chat:
    return chat(over, HERMES_TEMPLATE, calls=HERMES)


def turn(
    over: ScriptedEngine,
    tools: Sequence[Tool] = (add,),
    limits: LoopLimits = LoopLimits(),
    options: TurnOptions = TurnOptions(),
    **sampling: Any,
) -> list[Event]:
    async def run() -> list[Event]:
        async with Toolbox(tools) as toolbox:
            stream = stream_with_tools(
                service(over), ASK, Sampling(**sampling), options, toolbox=toolbox, limits=limits
            )
            return await collect(stream)

    return asyncio.run(run())


def results(events: list[Event]) -> list[str]:
    return [event.content for event in events if isinstance(event, ToolResult)]


def prompt_of(over: ScriptedEngine, number: int) -> str:
    return traits.tokenizer().decode(over.requests[number].token_ids, skip_special_tokens=False)


def test_a_call_is_run_and_its_result_answered() -> None:
    over = engine(call(), "two")
    events = turn(over)
    assert text_of(events) == "two"
    assert results(events) == ["2"]
    assert finished(events).reason == "stop"
    assert "<|im_start|>tool\n2<|im_end|>" in prompt_of(over, 1)


def test_a_turn_begins_and_ends_once() -> None:
    events = turn(engine(call(), call(), "done"))
    for kind, count in ((TurnStarted, 1), (RoundFinished, 2), (ToolResult, 2), (Finished, 1), (TurnFinished, 1)):
        assert sum(isinstance(event, kind) for event in events) == count, kind
    assert isinstance(events[0], TurnStarted)
    assert isinstance(events[-1], TurnFinished)


def test_usage_is_that_of_all_rounds() -> None:
    over = engine(call(), "done")
    events = turn(over)
    usage = finished(events).usage
    assert usage.prompt_tokens == sum(len(request.token_ids) for request in over.requests)
    first = next(event.usage for event in events if isinstance(event, RoundFinished))
    assert usage.completion_tokens > first.completion_tokens > 0
    last = events[-1]
    assert isinstance(last, TurnFinished)
    assert last.usage == usage


def test_the_next_round_finds_everything_before_it_cached() -> None:
    over = engine(f"hello\n{call()}", "done")
    events = turn(over)
    first = next(event.usage for event in events if isinstance(event, RoundFinished))
    assert finished(events).usage.cached_tokens >= first.prompt_tokens + first.completion_tokens


def test_several_calls_run_together_and_go_back_in_their_order() -> None:
    has_ended = asyncio.Event()

    @tool
    async def meet(name: str) -> str:
        """Let b go first."""
        if name == "a":
            await has_ended.wait()
        has_ended.set()
        return name

    over = engine("\n".join(call(f'{{"name": "{name}"}}', "meet") for name in "ab"), "done")
    events = turn(over, [meet])
    assert results(events) == ["b", "a"]
    assert "<|im_start|>tool\na<|im_end|>\n<|im_start|>tool\nb<|im_end|>" in prompt_of(over, 1)


@pytest.mark.parametrize(
    ("arguments", "name", "told"),
    [('{"a": 1}', "sub", "there is no tool 'sub'"), ('{"a": "x"}', "add", "the arguments are wrong")],
)
def test_what_cannot_be_called_is_told_to_the_model(arguments: str, name: str, told: str) -> None:
    over = engine(call(arguments, name), "sorry")
    events = turn(over)
    assert told in results(events)[0]
    assert told in prompt_of(over, 1)
    assert text_of(events) == "sorry"


def test_when_the_rounds_run_out_the_last_calls_are_not_run_and_say_so() -> None:
    over = engine(call(), call(), "never")
    events = turn(over, limits=LoopLimits(rounds=1))
    assert len(over.requests) == 2
    assert results(events)[0] == "2"
    assert "this turn has had its 1 rounds of calls" in results(events)[1]
    assert finished(events).reason == "tool_calls"


def test_when_the_time_runs_out_nothing_more_is_run() -> None:
    @tool
    async def hang() -> None:
        """Hang."""
        await asyncio.Event().wait()

    over = engine(call("{}", "hang"), call("{}", "hang"))
    events = turn(over, [hang], LoopLimits(seconds=0.05))
    assert "did not end within" in results(events)[0]
    assert "this turn has had its 0.05 seconds" in results(events)[1]
    assert finished(events).reason == "tool_calls"


def test_an_answer_that_was_cut_has_its_calls_refused() -> None:
    over = engine(f"{call()}\n{call()}")
    events = turn(over, max_tokens=len(ids(call())) + 3)
    assert "it was not run: the answer that makes this call was cut off" in results(events)[0]
    assert len(results(events)) == 1
    assert finished(events).reason == "length"


def test_a_choice_of_tools_holds_for_the_first_answer() -> None:
    over = engine('{"a": 1}', "done")
    events = turn(over, options=TurnOptions(tool_choice="required"))
    assert results(events) == ["2"]
    assert text_of(events) == "done"


def test_schemas_beside_the_toolbox_and_several_answers_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="tools"):
        turn(engine(), options=TurnOptions(tools=({"type": "function", "function": {"name": "x"}},)))
    with pytest.raises(InvalidParameter, match="n"):
        turn(engine(), n=2)


@pytest.mark.parametrize("limits", [{"rounds": 0}, {"seconds": 0}])
def test_limits_that_allow_nothing_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="at least one round"):
        LoopLimits(**limits)


def test_a_full_queue_is_waited_for_once_calls_were_run() -> None:
    over = Busy(2, 3, answers=(call(), "two"))
    events = turn(over)
    assert (results(events), text_of(events)) == (["2"], "two")
    with pytest.raises(EngineBusy):
        turn(Busy(1, answers=("hello",)))


def test_a_queue_that_stays_full_ends_a_turn_when_its_time_is_over() -> None:
    with pytest.raises(EngineBusy):
        turn(Busy(*range(2, 10_000), answers=(call(), "two")), limits=LoopLimits(seconds=0.2))
