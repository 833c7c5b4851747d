"""Tools as they are set become one toolbox: all of them, or none and nothing left running."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from duihua.api.toolbox import open_toolbox
from duihua.config import ToolSettings
from duihua.errors import ConfigError
from duihua.messages import ToolCall
from duihua.tools.approval import Answer, Question
from duihua.tools.toolbox import ToolOutcome

STANDING = Path(__file__).parents[1] / "tools" / "mcp" / "standing.py"
MINE = '''
import duihua

@duihua.tool
def repeat(word: str, times: int) -> str:
    """Say a word again and again."""
    return word * times
'''


def called(settings: ToolSettings, name: str, arguments: str, answer: Answer | None = None) -> ToolOutcome:
    """What became of one call; where there is no answer, nobody can be asked."""

    async def ask(question: Question) -> Answer:
        assert answer is not None
        return answer

    async def work() -> ToolOutcome:
        async with await open_toolbox(settings, ask=ask if answer else None) as toolbox:
            return await toolbox.run(ToolCall("call_1", name, arguments))

    return asyncio.run(work())


def names(settings: ToolSettings) -> list[str]:
    async def work() -> list[str]:
        async with await open_toolbox(settings) as toolbox:
            return [tool.name for tool in toolbox]

    return asyncio.run(work())


@pytest.fixture
def mine(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(MINE, "utf-8")
    return str(tmp_path / "mine.py")


def test_built_in_tools_files_and_servers_are_together(mine: str) -> None:
    settings = ToolSettings(built_in=["calculator"], files=[mine], mcp=[f"up={sys.executable} {STANDING}"])
    found = names(settings)
    assert found[:2] == ["calculator", "repeat"]
    assert "up_add" in found
    assert called(settings, "up_add", '{"a": 2, "b": 3}', "yes").content == "5"


def test_what_need_not_be_asked_about_runs_where_nobody_is(mine: str) -> None:
    assert called(ToolSettings(built_in=["calculator"]), "calculator", '{"expression": "37*89"}').content == "3293"
    allowed = ToolSettings(files=[mine], allow=["rep*"])
    assert called(allowed, "repeat", '{"word": "a", "times": 2}').content == "aa"


def test_a_tool_of_the_users_own_asks_first(mine: str) -> None:
    settings = ToolSettings(files=[mine])
    assert called(settings, "repeat", '{"word": "a", "times": 2}', "yes").content == "aa"
    assert "does not allow" in called(settings, "repeat", '{"word": "a", "times": 2}', "no").content
    assert "nobody can be asked" in called(settings, "repeat", '{"word": "a", "times": 2}').content


def test_a_tool_that_never_may_run_is_not_offered(mine: str) -> None:
    settings = ToolSettings(built_in=["clock"], files=[mine], approval={"repeat": "never"})
    assert names(settings) == ["clock"]


def test_limits_are_the_toolboxs(mine: str) -> None:
    settings = ToolSettings(files=[mine], allow=["repeat"], result_characters=5)
    assert "may have 5" in called(settings, "repeat", '{"word": "long", "times": 2}').content


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"built_in": ["calculater"]}, "do you mean 'calculator'"),
        ({"files": ["nowhere.py"]}, "nowhere.py"),
        ({"built_in": ["clock"], "allow": ["clocks"]}, "'clocks' names no tool: do you mean 'clock'"),
        ({"mcp": ["no-such-program-at-all"]}, "there is no program"),
        ({"built_in": ["python"], "python": {"memory": 1}}, "memory"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        names(ToolSettings(**wrong))


def test_no_server_is_left_where_another_one_fails(mine: str, tmp_path: Path) -> None:
    written = tmp_path / "pid"
    program = tmp_path / "server.py"
    program.write_text(
        f"import os, runpy\nopen({str(written)!r}, 'w').write(str(os.getpid()))\n"
        f"runpy.run_path({str(STANDING)!r}, run_name='__main__')\n",
        "utf-8",
    )
    twice = tmp_path / "again.py"
    twice.write_text(MINE, "utf-8")
    with pytest.raises(ConfigError, match="two tools are called 'repeat'"):
        names(ToolSettings(mcp=[f"{sys.executable} {program}"], files=[mine, str(twice)]))
    assert not Path(f"/proc/{written.read_text()}").exists()
