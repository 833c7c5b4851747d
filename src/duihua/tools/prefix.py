"""A tool under a longer name, so that tools of several makers can stand together."""

from __future__ import annotations

from duihua.tools.tool import Tool
from duihua.tools.wrapper import Wrapper

__all__ = ["Prefixed"]

_LONGEST = 64  # characters, as a toolbox takes them


class Prefixed(Wrapper):
    """The same tool with a word before its name."""

    def __init__(self, tool: Tool, prefix: str) -> None:
        super().__init__(tool)
        self._prefix = prefix

    @property
    def name(self) -> str:
        """The prefix, `_` and the tool's own name; cut where it is longer than a name may be."""
        return f"{self._prefix}_{self._tool.name}"[:_LONGEST]
