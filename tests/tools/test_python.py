"""The tool: one process for all calls, started again when it ended."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest

from duihua.errors import InvalidToolArguments, ToolFailed
from duihua.messages import ToolCall
from duihua.tools.interpreter import PythonSettings
from duihua.tools.python import PythonTool
from duihua.tools.toolbox import Toolbox, ToolLimits, ToolOutcome

AGAIN = "[the interpreter was started again: variables of earlier calls are gone]"


def results(*cells: str, limits: ToolLimits = ToolLimits(), **settings: Any) -> list[ToolOutcome]:
    async def work() -> list[ToolOutcome]:
        async with Toolbox([PythonTool(PythonSettings(**settings))], limits=limits) as box:
            return [await box.run(ToolCall("1", "python", json.dumps({"code": cell}))) for cell in cells]

    return asyncio.run(work())


def test_output_value_and_error_come_as_text() -> None:
    printed, value, nothing, error = results("print('a')\nx = 3", "print('b')\nx", "y = 1", "print('c')\n1/0")
    assert [each.content for each in (printed, value, nothing)] == ["a", "b\n3", "(it printed nothing)"]
    assert error.is_error
    assert error.content.startswith("Error: c\nTraceback")
    assert error.content.endswith("ZeroDivisionError: division by zero")


def test_figures_come_as_pictures() -> None:
    (outcome,) = results("import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.show()")
    assert outcome.content == "(it printed nothing)" or not outcome.content
    assert [image.media_type for image in outcome.images] == ["image/png"]
    assert outcome.images[0].width > 100


def test_a_picture_that_is_none_is_told() -> None:
    fake = "class Fake:\n  def _repr_png_(self): return b'no'\nFake()"
    (outcome,) = results(fake)
    assert "a picture could not be passed on" in outcome.content
    assert not outcome.images


def test_after_its_end_it_is_started_again_and_says_so() -> None:
    first, dead, after, then = results("x = 1", "import os; os._exit(1)", "x = 2; x", "x")
    assert not first.is_error
    assert "the interpreter ended (exit status 1), and its variables are gone" in dead.content
    assert after.content == f"{AGAIN}\n2"
    assert then.content == "2"


def test_a_call_whose_time_is_over_ends_the_process_and_the_next_one_runs() -> None:
    for limits, seconds in ((ToolLimits(), 1.0), (ToolLimits(seconds=1), 30.0)):
        hung, after = results("import time; time.sleep(99)", "6 * 7", limits=limits, seconds=seconds)
        assert "it did not end within 1 seconds" in hung.content
        assert hung.seconds < 5
        assert after.content == f"{AGAIN}\n42"


def test_cancelling_kills_the_process() -> None:
    async def work() -> None:
        tool = PythonTool()
        await tool.start()
        interpreter = tool._interpreter  # pyright: ignore[reportPrivateUsage]
        assert interpreter is not None
        task = asyncio.create_task(tool.call({"code": "open('running', 'w').close()\nwhile True: pass"}))
        while not os.path.exists(os.path.join(interpreter.directory, "running")):  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not interpreter.is_running
        assert not os.path.exists(interpreter.directory)  # noqa: ASYNC240
        await tool.aclose()

    asyncio.run(work())


def test_calls_wait_for_each_other() -> None:
    async def work() -> list[str]:
        async with Toolbox([PythonTool()]) as box:
            calls = [ToolCall(str(n), "python", json.dumps({"code": f"l = [*globals().get('l', []), {n}]; l"}))
                     for n in range(3)]  # fmt: skip
            return [outcome.content async for outcome in box.run_all(calls)]

    assert asyncio.run(work())[-1] == "[0, 1, 2]"


def test_closing_it_ends_what_runs_and_it_stays_closed() -> None:
    async def work() -> None:
        tool = PythonTool()
        await tool.start()
        interpreter = tool._interpreter  # pyright: ignore[reportPrivateUsage]
        assert interpreter is not None
        running = asyncio.create_task(tool.call({"code": "open('running', 'w').close()\nwhile True: pass"}))
        while not os.path.exists(os.path.join(interpreter.directory, "running")):  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.01)
        await tool.aclose()
        await tool.aclose()
        with pytest.raises(ToolFailed, match="ended"):
            await running
        with pytest.raises(ToolFailed, match="was closed"):
            await tool.call({"code": "1"})

    asyncio.run(work())


def test_code_is_what_it_takes() -> None:
    tool = PythonTool()
    assert tool.name == "python"
    assert "Variables stay" in tool.description
    assert tool.parameters["required"] == ["code"]
    with pytest.raises(InvalidToolArguments, match="'code' is missing"):
        asyncio.run(tool.call({}))
