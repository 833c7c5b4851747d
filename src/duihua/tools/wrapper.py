"""A tool around another one, for what changes one thing about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duihua.tools.tool import Tool, ToolOutput

__all__ = ["Wrapper"]


class Wrapper:
    """Passes everything on."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool

    @property
    def name(self) -> str:
        """The tool's."""
        return self._tool.name

    @property
    def description(self) -> str:
        """The tool's."""
        return self._tool.description

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The tool's."""
        return self._tool.parameters

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        """Call the tool."""
        return await self._tool.call(arguments)

    async def aclose(self) -> None:
        """Close the tool."""
        await self._tool.aclose()
