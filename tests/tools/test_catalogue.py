"""Built-in tools are had by name, and only those that are named."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from duihua.errors import ConfigError
from duihua.tools.catalogue import BUILT_IN, built_in
from duihua.tools.toolbox import Toolbox


def test_each_is_made_under_its_name() -> None:
    async def work() -> None:
        async with Toolbox(built_in(BUILT_IN)) as box:
            assert tuple(tool.name for tool in box) == BUILT_IN
            assert all(schema["function"]["description"] for schema in box.schemas)

    asyncio.run(work())
    assert [tool.name for tool in built_in(["clock", "calculator", "clock"])] == ["clock", "calculator"]
    assert built_in([]) == []


def test_a_name_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="there is no built-in tool 'calculater': do you mean 'calculator'"):
        built_in(["calculater"])
    with pytest.raises(ConfigError, match="they are calculator, clock, python, read_url"):
        built_in(["shell"])


def test_the_names_are_known_without_importing_what_makes_them() -> None:
    code = (
        "import sys, duihua.tools.catalogue as c; c.BUILT_IN; "
        "print([m for m in ('pydantic', 'httpcore2', 'mcp', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
