"""A user's file gives its tools, or says what is wrong with it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from duihua.errors import ConfigError
from duihua.tools.load import load_tools
from duihua.tools.tool import ToolOutput


def write(folder: Path, text: str, name: str = "my_tools.py") -> Path:
    file = folder / name
    file.write_text(dedent(text), "utf-8")
    return file


def test_decorated_functions_are_its_tools(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '''
        from __future__ import annotations
        from dataclasses import dataclass
        import duihua

        @dataclass
        class Point:
            x: int

        @duihua.tool
        def far(point: Point) -> int:
            """How far a point is."""
            return abs(point.x)

        again = far
        _hidden = duihua.tool(name="hidden")(lambda: 1)

        def plain(x: int) -> int:
            """Not decorated, while others are."""
            return x
        ''',
    )
    (tool,) = load_tools(file)
    assert (tool.name, tool.description) == ("far", "How far a point is.")
    assert asyncio.run(tool.call({"point": {"x": -3}})) == ToolOutput("3")


def test_where_none_is_decorated_all_public_ones_with_a_docstring_are(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '''
        from json import dumps
        from neighbour import helper

        def twice(number: int) -> int:
            """Twice the number."""
            return helper(number)

        async def later(text: str) -> str:
            """The text."""
            return text

        def _private(x: int) -> int:
            """Not this."""
            return x

        def silent(x: int) -> int:
            return x
        ''',
    )
    write(tmp_path, 'def helper(x):\n    """Doubles."""\n    return 2 * x\n', "neighbour.py")
    tools = load_tools(str(file))
    assert [tool.name for tool in tools] == ["twice", "later"]
    assert asyncio.run(tools[0].call({"number": "4"})) == ToolOutput("8")
    assert str(tmp_path) not in sys.path
    sys.modules.pop("neighbour")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = 1", "there are no tools in .*put @duihua.tool before a function"),
        ("def f(x):\n  return 1", "there are no tools"),
        ("def f(:", "does not run: line 1: invalid syntax"),
        ("\n\nraise ValueError('no key')", "does not run: line 3: ValueError: no key"),
        ("import no_such_module_anywhere", "line 1: ModuleNotFoundError"),
        ("raise SystemExit(2)", "line 1: SystemExit: 2"),
        ("import duihua\n@duihua.tool\ndef f(x): ...", "my_tools.py: the function f cannot be a tool"),
        ('def f(x):\n  """Says."""', "the function f cannot be a tool: its parameter 'x' has no type"),
        ("x = '\0'", "does not run"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        load_tools(write(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there: check the path"):
        load_tools(tmp_path / "none.py")
    with pytest.raises(ConfigError, match="is not there"):
        load_tools(tmp_path)
    with pytest.raises(ConfigError, match=r"must end in \.py"):
        load_tools(write(tmp_path, "", "tools.txt"))
