"""The seam: what a model may call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from duihua.image import Image

__all__ = ["Tool", "ToolOutput", "schema_of"]


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """What a tool gives back."""

    content: str
    images: tuple[Image, ...] = ()


class Tool(Protocol):
    """Something with a name that takes arguments and gives text, and pictures."""

    @property
    def name(self) -> str:
        """What the model calls it: letters, digits, `_`, `-` and `.`."""
        ...

    @property
    def description(self) -> str:
        """What it does and when it is of use, for the model."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Its arguments as a JSON schema of type `object`."""
        ...

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        """Run it. Cancelling stops it as far as it can be stopped.

        Raises:
            ToolError: it came to nothing; the text is for the model.
        """
        ...

    async def aclose(self) -> None:
        """End whatever it keeps running. It may be closed twice."""
        ...


def schema_of(tool: Tool) -> dict[str, Any]:
    """A tool in the form in which OpenAI's API and chat templates take it."""
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}
