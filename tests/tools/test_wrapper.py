"""A wrapper passes everything on but for what it changes."""

from __future__ import annotations

import asyncio

import duihua
from duihua.tools.tool import ToolOutput, schema_of
from duihua.tools.wrapper import Wrapper


@duihua.tool
def double(number: int) -> int:
    """Twice the number."""
    return 2 * number


class Closing(Wrapper):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        await super().aclose()


def test_everything_is_passed_on() -> None:
    inner = Closing(double)
    wrapper = Wrapper(inner)
    assert schema_of(wrapper) == schema_of(double)
    assert asyncio.run(wrapper.call({"number": 2})) == ToolOutput("4")
    asyncio.run(wrapper.aclose())
    assert inner.closed == 1
