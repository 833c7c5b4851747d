"""What a dialogue is made of: turns, and the tool calls within them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

ToolSchema: TypeAlias = Mapping[str, Any]  # {"name", "description", "parameters"}, as OpenAI writes a function


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call."""

    name: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        """The call as GLM-4 writes it: the name, a line break, the arguments as JSON."""
        return f"{self.name}\n{json.dumps(self.arguments, ensure_ascii=False)}"


@dataclass(frozen=True, slots=True)
class Round:
    """Calls made together and what came back for each."""

    calls: tuple[Call, ...]
    results: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user typed, the tools used on the way and the answer in words."""

    user: str
    answer: str
    rounds: tuple[Round, ...] = ()


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation from its first turn on."""

    system: str | None
    turns: tuple[Turn, ...]
    tools: tuple[ToolSchema, ...] = ()
