"""The built-in tools by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Final

from duihua.errors import ConfigError
from duihua.tools.interpreter import PythonSettings
from duihua.tools.tool import Tool

__all__ = ["BUILT_IN", "built_in"]


def _calculator(_: PythonSettings) -> Tool:
    from duihua.tools.calculator import calculator

    return calculator()


def _clock(_: PythonSettings) -> Tool:
    from duihua.tools.clock import clock

    return clock()


def _python(settings: PythonSettings) -> Tool:
    from duihua.tools.python import PythonTool

    return PythonTool(settings)


def _read_url(_: PythonSettings) -> Tool:
    from duihua.tools.read_url import read_url

    return read_url()


_MAKERS: Final[dict[str, Callable[[PythonSettings], Tool]]] = {
    "calculator": _calculator,
    "clock": _clock,
    "python": _python,
    "read_url": _read_url,
}
BUILT_IN: Final = tuple(_MAKERS)
"""Their names; each is there only where it is named."""


def built_in(names: Iterable[str], *, python: PythonSettings = PythonSettings()) -> list[Tool]:
    """These built-in tools, in this order; one that is named twice is there once.

    Args:
        names: of `BUILT_IN`.
        python: what the tool `python` may use.

    Raises:
        ConfigError: there is none of that name; says which is near.
    """
    tools: list[Tool] = []
    for name in dict.fromkeys(names):
        if name not in _MAKERS:
            near = difflib.get_close_matches(name, BUILT_IN, n=1)
            hint = f"do you mean {near[0]!r}?" if near else f"they are {', '.join(BUILT_IN)}"
            raise ConfigError(f"there is no built-in tool {name!r}: {hint}")
        tools.append(_MAKERS[name](python))
    return tools
