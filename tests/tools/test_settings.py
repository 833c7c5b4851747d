"""Tools are named in settings, with rules and limits; what cannot be is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from duihua.errors import ConfigError, InvalidParameter
from duihua.tools.settings import ToolSettings


def test_nothing_is_there_that_is_not_named() -> None:
    assert not ToolSettings(approval={"calculator": "never"}, allow=["clock"])
    assert ToolSettings(built_in=["clock"])
    assert ToolSettings(files=["tools.py"])
    assert ToolSettings(mcp=["server"])


def test_tools_that_reach_nothing_outside_may_run_and_others_ask() -> None:
    settings = ToolSettings(built_in=["calculator", "clock", "python", "read_url"])
    names = ("calculator", "clock", "python", "read_url", "mine")
    assert [settings.approval_of(name) for name in names] == ["always", "always", "always", "ask", "ask"]


def test_a_python_that_is_not_kept_from_everything_asks() -> None:
    assert ToolSettings(built_in=["python"], python={"unprotected": ["files"]}).approval_of("python") == "ask"


def test_a_tool_of_a_users_own_with_the_name_of_a_built_in_one_asks() -> None:
    assert ToolSettings(files=["mine.py"]).approval_of("calculator") == "ask"


def test_what_is_allowed_goes_before_a_name_and_a_name_before_patterns() -> None:
    settings = ToolSettings(
        approval={"files_*": "never", "*": "always", "files_read": "ask", "clock": "ask"},
        allow=["files_list"],
        built_in=["clock"],
    )
    names = ("files_list", "files_read", "files_write", "other", "clock")
    assert [settings.approval_of(name) for name in names] == ["always", "ask", "never", "always", "ask"]


@pytest.mark.parametrize(
    "wrong", [{"approval": {"a": "sometimes"}}, {"rounds": 0}, {"call_seconds": -1}, {"rounds": True}]
)
def test_a_rule_or_limit_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match=next(iter(wrong))):
        ToolSettings(**wrong)


def test_limits_are_those_of_a_call() -> None:
    limits = ToolSettings(call_seconds=3, result_characters=10).limits()
    assert (limits.seconds, limits.characters) == (3, 10)


def test_pythons_limits_are_a_table_of_its_own() -> None:
    python = ToolSettings(python={"seconds": 5, "unprotected": ["network"], "namespaces": False}).python_settings()
    assert (python.seconds, python.unprotected, python.namespaces) == (5, ["network"], False)
    with pytest.raises(ConfigError, match="has no 'second': it has seconds"):
        ToolSettings(python={"second": 5}).python_settings()
    with pytest.raises(ConfigError, match="memory_bytes = '2G' is not possible"):
        ToolSettings(python={"memory_bytes": "2G"}).python_settings()
    with pytest.raises(ConfigError, match="pictures = 0"):
        ToolSettings(python={"pictures": 0}).python_settings()


def test_servers_are_lines_or_a_table_by_name() -> None:
    lines = ToolSettings(mcp=["files=npx -y server .", "https://docs.example.org/mcp"]).servers()
    assert [(server.name, list(server.command), server.url) for server in lines] == [
        ("files", ["npx", "-y", "server", "."], ""),
        ("docs", [], "https://docs.example.org/mcp"),
    ]
    table = ToolSettings(
        mcp={
            "a": "python server.py",
            "b": ["python", "my server.py"],
            "c": {"url": "http://x.example/mcp", "headers": {"Authorization": "Bearer 1"}, "seconds": 5},
            "d": {"command": "python server.py", "environment": {"KEY": "1"}},
        }
    ).servers()
    assert [server.name for server in table] == ["a", "b", "c", "d"]
    assert [list(server.command) for server in table] == [
        ["python", "server.py"],
        ["python", "my server.py"],
        [],
        ["python", "server.py"],
    ]
    assert (table[2].seconds, table[3].environment) == (5, {"KEY": "1"})


def test_servers_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="two MCP servers are called 'server'"):
        ToolSettings(mcp=["python server.py", "sh server.py"]).servers()
    with pytest.raises(ConfigError, match="'a' has no 'cmd'"):
        ToolSettings(mcp={"a": {"cmd": "x"}}).servers()
    with pytest.raises(ConfigError, match="'a' is 3: give a command"):
        ToolSettings(mcp={"a": 3}).servers()
