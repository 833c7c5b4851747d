"""A prefix stands before a tool's name."""

from __future__ import annotations

import asyncio

import duihua
from duihua.tools.prefix import Prefixed
from duihua.tools.tool import ToolOutput
from duihua.tools.toolbox import Toolbox


@duihua.tool
def read() -> str:
    return "text"


def test_tools_of_one_name_stand_together() -> None:
    box = Toolbox([read, Prefixed(read, "a"), Prefixed(Prefixed(read, "c"), "b")])
    assert [tool.name for tool in box] == ["read", "a_read", "b_c_read"]
    assert asyncio.run(Prefixed(read, "a").call({})) == ToolOutput("text")


def test_a_name_stays_within_its_length() -> None:
    assert Prefixed(read, "x" * 100).name == "x" * 64
