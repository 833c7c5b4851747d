"""GLM-4's own names for calls and their results, which its published templates read.

A call is an assistant's message with the tool's name as `metadata` and the arguments as content; a result has the role
`observation`; and the first templates look for tools in a message, not beside them. Sources:
https://huggingface.co/zai-org/GLM-4-32B-0414 (README.md, chat_template.jinja) and
https://huggingface.co/zai-org/glm-4-9b-chat (tokenizer_config.json).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["Dialect"]


class Dialect:
    """How one template wants messages and tools; most want them as they are.

    Args:
        source: the template's text.
    """

    def __init__(self, source: str) -> None:
        self._has_metadata = all(mark in source for mark in ("metadata", "observation")) and "tool_calls" not in source
        self._has_tools_inside = "['tools']" in source or '["tools"]' in source

    def messages(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
    ) -> Sequence[Mapping[str, Any]]:
        """The messages as the template reads them."""
        if self._has_metadata:
            messages = [written for message in messages for written in _with_metadata(message)]
        if self._has_tools_inside and tools:
            messages = [{"role": "system", "content": "", "tools": list(tools)}, *messages]
        return messages


def _with_metadata(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if message["role"] == "tool":
        yield {**message, "role": "observation"}
        return
    calls = message.get("tool_calls", ())
    if message["content"] or not calls:
        yield {key: value for key, value in message.items() if key != "tool_calls"}
    for call in calls:
        function = call["function"]
        arguments = function["arguments"]
        content = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        yield {"role": "assistant", "metadata": function["name"], "content": content}
