"""Calls of tools as a client of OpenAI's API gathers them.

What a client was told cannot be taken back, and a call that the model writes by itself may turn out to be none: its
arguments may break off, or be no JSON, and then the same words come as text. So such a call is told when it is
complete, in one piece. One that must be (`tool_choice` "required" or named) is held to its form, so its arguments are
told as they come; only where the answer is cut ("length") are they not whole, as at OpenAI.
"""

from __future__ import annotations

from typing import Any

from duihua.events import ToolCallDelta, ToolCallReady

__all__ = ["CallRows", "gathered"]


class CallRows:
    """The calls of one choice, as rows of a chunk's `delta.tool_calls`."""

    def __init__(self, *, is_sure: bool) -> None:
        """Nothing came yet.

        Args:
            is_sure: what begins as a call is one.
        """
        self._is_sure = is_sure
        self._begun = 0  # calls of which something was told

    def take(self, event: ToolCallDelta | ToolCallReady) -> list[dict[str, Any]]:
        """The rows that this event makes certain."""
        if isinstance(event, ToolCallReady):
            if self._is_sure:
                return []
            self._begun += 1
            return [self._first(event.call.id, event.call.name, event.call.arguments)]
        if not self._is_sure:
            return []
        if event.id is None:
            return [{"index": self._begun - 1, "function": {"arguments": event.arguments}}]
        self._begun += 1
        return [self._first(event.id, event.name or "", event.arguments)]

    def _first(self, call_id: str, name: str, arguments: str) -> dict[str, Any]:
        function = {"name": name, "arguments": arguments}
        return {"index": self._begun - 1, "id": call_id, "type": "function", "function": function}


def gathered(calls: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    """Add rows to the calls of a whole message, as a client does."""
    for row in rows:
        if "id" in row:
            calls.append({"id": row["id"], "type": row["type"], "function": dict(row["function"])})
        else:
            calls[-1]["function"]["arguments"] += row["function"]["arguments"]
