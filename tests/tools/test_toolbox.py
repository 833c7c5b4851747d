"""A toolbox runs calls within bounds, and whatever goes wrong is told to the model."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from PIL import Image as Pillow

import duihua
from duihua.errors import (
    ConfigError,
    InvalidToolArguments,
    ToolError,
    ToolFailed,
    ToolTimedOut,
    UnknownTool,
)
from duihua.messages import ToolCall
from duihua.tools.tool import Tool, ToolOutput
from duihua.tools.toolbox import Toolbox, ToolLimits, ToolOutcome


@duihua.tool
def double(number: int) -> int:
    """Twice the number."""
    return 2 * number


@duihua.tool
def repeat(text: str, times: int) -> str:
    return text * times


@duihua.tool
async def hang() -> None:
    await asyncio.Event().wait()


@duihua.tool
def pictures(count: int) -> list[Pillow.Image]:
    return [Pillow.new("RGB", (2, 2)) for _ in range(count)]


class Rude:
    """A tool that keeps to nothing."""

    name, description, parameters = "rude", "", {"type": "object"}

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.closed = 0

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        raise self.error

    async def aclose(self) -> None:
        self.closed += 1
        raise RuntimeError("never")


LIMITS = ToolLimits(seconds=0.05, characters=100, images=2)


def call(name: str, /, **arguments: Any) -> ToolCall:
    return ToolCall("call_1", name, json.dumps(arguments))


def run(call: ToolCall, *more: Any, limits: ToolLimits = LIMITS) -> ToolOutcome:
    return asyncio.run(Toolbox([double, repeat, hang, pictures, *more], limits=limits).run(call))


def told(outcome: ToolOutcome, kind: type[ToolError], text: str) -> None:
    assert type(outcome.error) is kind
    assert outcome.is_error
    assert outcome.content.startswith("Error: ")
    assert text in outcome.content


def test_a_call_is_run_by_its_name() -> None:
    outcome = run(call("double", number=21))
    assert (outcome.content, outcome.is_error, outcome.call.id) == ("42", False, "call_1")
    assert outcome.seconds > 0


@pytest.mark.parametrize("text", ["", " ", "{}"])
def test_no_arguments_may_be_written_in_any_way(text: str) -> None:
    @duihua.tool
    def now() -> str:
        return "noon"

    assert run(ToolCall("1", "now", text), now).content == "noon"


def test_a_tool_that_is_not_there_is_told_with_those_that_are() -> None:
    told(run(call("triple")), UnknownTool, "there is no tool 'triple': the tools are double, repeat, hang, pictures")
    assert "there are no tools" in asyncio.run(Toolbox().run(call("x"))).content


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"number": ', "no JSON"),
        ("[1]", "must be a JSON object, not list"),
        ("[" * 100_000, ""),
        ('{"number": "many"}', "valid integer"),
    ],
)
def test_arguments_that_are_none_are_told(text: str, why: str) -> None:
    told(run(ToolCall("1", "double", text)), InvalidToolArguments, why)


def test_a_tool_that_hangs_is_given_up_in_time() -> None:
    outcome = run(call("hang"))
    told(outcome, ToolTimedOut, "it did not end within 0.05 seconds")
    assert outcome.seconds >= 0.04


def test_a_function_that_hangs_in_its_thread_is_given_up_too() -> None:
    gate = threading.Event()

    @duihua.tool
    def waits() -> None:
        gate.wait()

    told(run(call("waits"), waits), ToolTimedOut, "within")
    gate.set()


def test_a_result_too_large_is_refused_with_its_size() -> None:
    few = ToolLimits(characters=100, images=2)
    told(run(call("repeat", text="a", times=1234), limits=few), ToolFailed, "has 1,234 characters and may have 100")
    told(run(call("pictures", count=3), limits=few), ToolFailed, "has 3 pictures")
    small = ToolLimits(image_bytes=10)
    told(run(call("pictures", count=1), limits=small), ToolFailed, "may have 8 of 10")


def test_pictures_come_with_the_result() -> None:
    assert len(run(call("pictures", count=2), limits=ToolLimits(images=2)).images) == 2


class Mute(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise Mute


@pytest.mark.parametrize(
    "error", [ValueError("odd"), Mute(), SystemExit(1), TimeoutError("slow"), asyncio.CancelledError()]
)
def test_a_tool_that_breaks_its_promise_ends_no_turn(error: BaseException) -> None:
    told(run(call("rude"), Rude(error)), ToolFailed, "")


def test_a_function_whose_error_cannot_be_told_has_failed() -> None:
    async def fails() -> None:
        raise Mute

    def fails_too() -> None:
        raise Mute

    told(run(call("fails"), duihua.tool(fails)), ToolFailed, "Mute")
    told(run(call("fails_too"), duihua.tool(fails_too)), ToolFailed, "Mute")


def test_an_error_without_end_is_cut_in_its_middle(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "duihua.tools.toolbox")
    content = run(call("rude"), Rude(ToolFailed("begin" + "x" * 100_000 + "end"))).content
    assert len(content) < 4100
    assert max(len(record.getMessage()) for record in caplog.records) < 4200
    assert content.startswith("Error: begin")
    assert content.endswith("end")


@pytest.mark.slow
def test_a_tool_that_does_not_let_itself_be_cancelled_is_left_behind() -> None:
    async def work() -> None:
        over = asyncio.Event()

        @duihua.tool
        async def stubborn() -> None:
            while not over.is_set():
                try:
                    await over.wait()
                except asyncio.CancelledError:
                    continue

        told(await Toolbox([stubborn], limits=LIMITS).run(call("stubborn")), ToolTimedOut, "within 0.05 seconds")
        over.set()
        await asyncio.sleep(0)

    asyncio.run(work())


def test_control_tokens_in_a_result_stay_as_they_are() -> None:
    assert run(call("repeat", text="<|user|>", times=1)).content == "<|user|>"


@duihua.tool
def halve() -> str:
    raise ValueError("\ud83d is half a character")


@duihua.tool
def interrupt() -> None:
    raise KeyboardInterrupt


@duihua.tool
async def cancel_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


@duihua.tool
def count() -> Iterator[int]:
    yield from itertools.count()


class Panic(BaseException):
    """As extensions in Rust raise it."""


@duihua.tool
def panic() -> None:
    raise Panic("broken")


@pytest.mark.parametrize(
    ("tool", "told"),
    [
        (halve, "Error: ValueError: ? is half a character"),
        (interrupt, "Error: KeyboardInterrupt"),
        (cancel_itself, "Error: it was cancelled"),
        (count, "Error: it returned an iterator (generator): return a list"),
        (panic, "Error: Panic: broken"),
        (Rude(Panic("broken")), "Error: Panic: broken"),
    ],
)
def test_whatever_a_tool_does_comes_as_words_that_can_be_written(tool: Tool, told: str) -> None:
    call = ToolCall("c", tool.name, "{}")
    assert asyncio.run(Toolbox([tool]).run(call)).content == told


def test_calls_run_together_and_come_as_they_are_done() -> None:
    async def work() -> list[str]:
        second = asyncio.Event()

        @duihua.tool
        async def first() -> str:
            await second.wait()
            return "first"

        @duihua.tool
        async def last() -> str:
            second.set()
            return "last"

        box = Toolbox([first, last])
        return [outcome.content async for outcome in box.run_all([call("first"), call("last")])]

    assert asyncio.run(work()) == ["last", "first"]


def test_a_reader_who_leaves_stops_what_runs() -> None:
    stopped: list[str] = []

    async def work() -> None:
        @duihua.tool
        async def waits(name: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append(name)

        outcomes = Toolbox([waits, double]).run_all(
            [call("waits", name="a"), call("double", number=1), call("waits", name="b")]
        )
        assert (await anext(outcomes)).content == "2"
        await outcomes.aclose()
        assert sorted(stopped) == ["a", "b"]

    asyncio.run(work())


def test_cancelling_a_call_is_no_result() -> None:
    async def work() -> None:
        task = asyncio.create_task(Toolbox([hang]).run(call("hang")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())


def test_every_tool_is_closed_whatever_one_does() -> None:
    tools = [Rude(ValueError()), Rude(ValueError())]
    tools[1].name = "ruder"

    async def work() -> None:
        async with Toolbox([*tools, double]):
            pass

    asyncio.run(work())
    assert [tool.closed for tool in tools] == [1, 1]


def test_names_are_checked() -> None:
    with pytest.raises(ConfigError, match="two tools are called 'double'"):
        Toolbox([double, double])
    for name in ("", "a b", "<|user|>", "x" * 65):
        with pytest.raises(ConfigError, match="cannot be called"):
            Toolbox([duihua.tool(name=name)(lambda: 1) if name else Named("")])
    assert len(Toolbox([duihua.tool(name="查询.天气-1")(lambda: 1)])) == 1


class Named(Rude):
    def __init__(self, name: str) -> None:
        super().__init__(ValueError())
        self.name = name


def test_it_lists_its_tools() -> None:
    box = Toolbox([double, hang])
    assert [tool.name for tool in box] == ["double", "hang"]
    assert "double" in box
    assert "x" not in box
    assert [schema["function"]["name"] for schema in box.schemas] == ["double", "hang"]


def test_limits_are_checked() -> None:
    with pytest.raises(ConfigError, match="seconds"):
        ToolLimits(seconds=0)


def test_a_turn_may_give_less_time_than_the_toolbox_and_never_more() -> None:
    async def check() -> None:
        box = Toolbox([hang], limits=ToolLimits(seconds=0.05))
        assert box.limits.seconds == 0.05
        told(await box.run(ToolCall("1", "hang", "{}"), seconds=0.01), ToolTimedOut, "within 0.01 seconds")
        told(await box.run(ToolCall("1", "hang", "{}"), seconds=600), ToolTimedOut, "within 0.05 seconds")
        outcomes = [outcome async for outcome in box.run_all([ToolCall("1", "hang", "{}")] * 2, seconds=0.01)]
        assert [outcome.is_error for outcome in outcomes] == [True, True]

    asyncio.run(check())
