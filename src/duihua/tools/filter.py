"""Some of many tools, by patterns of their names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from duihua.errors import ConfigError
from duihua.tools.tool import Tool

__all__ = ["chosen"]


def chosen(tools: Iterable[Tool], only: Sequence[str] = ("*",), but: Sequence[str] = ()) -> list[Tool]:
    """Those tools whose names match a pattern of `only` and none of `but`, in their order.

    Args:
        only: patterns as a shell has them: `files_*`.
        but: the same, for those that are left out.

    Raises:
        ConfigError: a pattern matches no tool; it says which is near.
    """
    every = list(tools)
    names = [tool.name for tool in every]
    for pattern in [*([] if list(only) == ["*"] else only), *but]:
        if not any(fnmatchcase(name, pattern) for name in names):
            near = difflib.get_close_matches(pattern, names, n=1)
            cure = (
                f"do you mean {near[0]!r}?" if near else f"they are {', '.join(names)}" if names else "there are none"
            )
            raise ConfigError(f"{pattern!r} names no tool: {cure}")
    return [
        tool
        for tool in every
        if any(fnmatchcase(tool.name, pattern) for pattern in only)
        and not any(fnmatchcase(tool.name, pattern) for pattern in but)
    ]
