"""Some tools are chosen of many."""

from __future__ import annotations

import pytest

import duihua
from duihua.errors import ConfigError
from duihua.tools.filter import chosen

TOOLS = [duihua.tool(name=name)(lambda: "") for name in ("files_read", "files_write", "clock")]


def names(*only: str, but: tuple[str, ...] = ()) -> list[str]:
    return [tool.name for tool in chosen(TOOLS, only or ("*",), but)]


def test_patterns_choose_by_name() -> None:
    assert names() == ["files_read", "files_write", "clock"]
    assert names("clock", "files_*") == ["files_read", "files_write", "clock"]
    assert names("files_*", but=("*_write",)) == ["files_read"]
    assert names(but=("clock",)) == ["files_read", "files_write"]
    assert chosen([]) == []


def test_a_pattern_that_names_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="'files_raed' names no tool: do you mean 'files_read'"):
        names("files_raed")
    with pytest.raises(ConfigError, match="they are files_read, files_write, clock"):
        names(but=("x*",))
    with pytest.raises(ConfigError, match="there are none"):
        chosen([], ["x"])
