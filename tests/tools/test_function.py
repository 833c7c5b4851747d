"""A decorated function is a tool for the model, and the same function in Python."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

import pytest

import duihua
from duihua.errors import ConfigError, InvalidToolArguments, ToolFailed, UnknownTool
from duihua.tools.tool import ToolOutput, schema_of


@duihua.tool
def weather(city: str, days: int = 1) -> dict[str, Any]:
    """Tell the weather.

    Args:
        city: its name.
    """
    return {"city": city, "days": days, "thread": threading.current_thread().name}


@duihua.tool(name="add-up", description="Adds.")
async def add(a: int, b: int) -> int:
    """Not this."""
    await asyncio.sleep(0)
    return a + b


class Shop:
    def __init__(self) -> None:
        self.sold: list[str] = []

    def sell(self, what: str) -> str:
        """Sell something."""
        self.sold.append(what)
        return f"sold {what}"


def called(tool: Any, **arguments: Any) -> ToolOutput:
    return asyncio.run(tool.call(arguments))


def test_it_is_described_by_name_docstring_and_annotations() -> None:
    assert schema_of(weather) == {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tell the weather.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "its name."},
                    "days": {"type": "integer", "default": 1},
                },
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }


def test_name_and_description_may_be_given() -> None:
    assert (add.name, add.description) == ("add-up", "Adds.")


def test_in_python_it_is_called_as_before() -> None:
    assert weather("Paris")["city"] == "Paris"
    assert weather.__doc__ is not None
    assert cast("Any", weather).__name__ == "weather"
    assert asyncio.run(add(1, b=2)) == 3  # type: ignore[arg-type]


def test_a_synchronous_function_runs_in_a_thread_and_its_result_is_json() -> None:
    assert called(weather, city="北京", days="2") == ToolOutput('{"city":"北京","days":2,"thread":"tool weather"}')


def test_an_async_function_runs_on_the_loop() -> None:
    assert called(add, a=1, b=2) == ToolOutput("3")


def test_a_method_is_a_tool_of_its_object() -> None:
    shop = Shop()
    assert called(duihua.tool(shop.sell), what="tea") == ToolOutput("sold tea")
    assert shop.sold == ["tea"]


def test_wrong_arguments_never_reach_the_function() -> None:
    shop = Shop()
    with pytest.raises(InvalidToolArguments, match="'what' is missing"):
        called(duihua.tool(shop.sell))
    assert not shop.sold


@pytest.mark.parametrize("error", [ValueError("no such city"), SystemExit("no such city"), KeyError()])
def test_what_a_function_raises_is_a_failure_in_its_words(error: BaseException) -> None:
    @duihua.tool
    def fails() -> None:
        raise error

    @duihua.tool
    async def fails_later() -> None:
        raise error

    for failing in (fails, fails_later):
        with pytest.raises(ToolFailed, match=type(error).__name__) as caught:
            called(failing)
        assert str(error) in str(caught.value)
        assert "Traceback" not in str(caught.value)


def test_a_function_may_raise_a_tool_s_error_itself() -> None:
    @duihua.tool
    def fails() -> None:
        raise UnknownTool("x", [])

    with pytest.raises(UnknownTool):
        called(fails)


def test_cancelling_reaches_an_async_function() -> None:
    stopped: list[bool] = []

    async def work() -> None:
        started = asyncio.Event()

        @duihua.tool
        async def waits() -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append(True)

        task = asyncio.create_task(waits.call({}))
        await started.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(work())
    assert stopped == [True]


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ConfigError, match="give a function"):
        duihua.tool(cast("Any", 3))
