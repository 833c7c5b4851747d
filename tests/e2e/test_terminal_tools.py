"""`duihua chat` with tools in a pseudo-terminal, on the bundled demo."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from terminal.person import CTRL_C, CTRL_D, Person, environment

Sit = Callable[..., Person]

MINE = '''
import asyncio
import duihua

@duihua.tool
async def get_weather(city: str, days: int = 1) -> str:
    """Tell the weather of a city.

    Args:
        city: its name.
        days: how many days ahead.
    """
    if city == "Rome":
        await asyncio.Event().wait()
    return f"sunny, {type(city).__name__} {type(days).__name__}"
'''
SERVER = '''
from mcp.server.mcpserver import MCPServer

server = MCPServer("sky")

@server.tool()
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"rain in {city}"

server.run("stdio")
'''


@pytest.fixture
def sit(tmp_path: Path) -> Iterator[Sit]:
    people: list[Person] = []

    def sit_down(*flags: str) -> Person:
        person = Person(["-m", "duihua", "chat", "--temperature", "0", *flags], environment(tmp_path))
        people.append(person)
        return person

    yield sit_down
    for person in people:
        person.__exit__(None, None, None)


@pytest.fixture
def mine(tmp_path: Path) -> str:
    (tmp_path / "my_tools.py").write_text(MINE, "utf-8")
    return str(tmp_path / "my_tools.py")


@pytest.mark.slow
def test_a_question_once_is_calculated_and_answered(sit: Sit) -> None:
    person = sit("--tools", "calculator", "-p", "37*89是多少？")
    person.sees("calculator(expression: 37*89) → 3293")
    person.sees_match(r"\n.*3293。")
    assert person.exit_code() == 0


def test_a_function_of_the_users_own_asks_and_gets_typed_arguments(sit: Sit, mine: str) -> None:
    person = sit("--tools", "calculator", "--tool-file", mine)
    person.sees_line(">")
    person.say("What is the weather in Paris?")
    person.sees("may it run?")
    assert "city: Paris" in person.text
    person.say("n")
    person.sees("the user does not allow this call")
    person.sees("first token", times=1)
    person.say("What is the weather in Berlin?")
    person.sees("may it run?", times=2)
    person.say("always")
    person.sees("get_weather(city: Berlin) → sunny, str int")
    person.sees("first token", times=2)
    person.say("/tools")
    person.sees_match(r"calculator +runs")
    person.sees_match(r"get_weather +runs +Tell the weather")
    person.sees("city: Berlin")
    person.type(CTRL_D)
    assert person.exit_code() == 0


def test_ctrl_c_ends_a_tool_that_hangs_and_the_conversation_goes_on(sit: Sit, mine: str) -> None:
    person = sit("--tool-file", mine, "--allow-tool", "get_weather")
    person.sees_line(">")
    person.say("What is the weather in Rome?")
    person.sees("get_weather(city: Rome) …")
    person.type(CTRL_C)
    person.sees("stopped")
    person.say("What is the weather in Paris?")
    person.sees("get_weather(city: Paris) → sunny")


def test_an_mcp_server_is_started_called_and_ended(sit: Sit, tmp_path: Path) -> None:
    (tmp_path / "sky.py").write_text(SERVER, "utf-8")
    person = sit("--mcp", f"sky={sys.executable} {tmp_path}/sky.py")
    person.sees_line(">")
    person.say("/tools")
    person.sees_match(r"sky_weather +asks")
    person.say("What is the weather in Paris?")
    person.sees("may it run?")
    person.say("y")
    person.sees("sky_weather(city: Paris) → rain in Paris")
    person.type(CTRL_D)
    assert person.exit_code() == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the interpreter cannot be shut in")
def test_python_is_started_before_the_model_and_ended_after_it(sit: Sit) -> None:
    person = sit("--tools", "python")
    person.sees_line(">")
    person.say("/tools")
    person.sees_match(r"python +runs")
    person.type(CTRL_D)
    assert person.exit_code() == 0
