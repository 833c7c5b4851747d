"""A prompt that ends inside an assistant's text, so that the model goes on with it.

The text is rendered with a mark behind it, and the prompt ends where the mark stands. So it is what the template
writes up to there, with two exceptions. White space at the end of the text stays where the template would trim it, for
the mark stands behind it. Where a template leaves out the end of the text, the mark alone is rendered, and the whole
text stands in its place as it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from duihua.errors import InvalidMessages
from duihua.messages import Message

__all__ = ["check_continuable", "render_to_content"]


def check_continuable(messages: Sequence[Message]) -> None:
    """Refuse messages whose last one cannot be gone on with.

    Raises:
        InvalidMessages: it is not an assistant's, or it calls tools.
    """
    last = len(messages) - 1
    if messages[last].role != "assistant":
        raise InvalidMessages(
            f"message {last} is the last one and its role is {messages[last].role!r}: continue_final goes on with an "
            f"assistant message",
            index=last,
        )
    if messages[last].tool_calls:
        raise InvalidMessages(f"message {last} calls tools: continue_final goes on with text only", index=last)


def render_to_content(
    messages: Sequence[Mapping[str, Any]], mark: str, render: Callable[[Sequence[Mapping[str, Any]]], str]
) -> str:
    """What a template writes up to the end of the last message's content.

    Args:
        messages: as the template reads them.
        mark: a character that stands in none of them and is no white space.
        render: renders a whole conversation, without a generation prompt.

    Raises:
        InvalidMessages: the template does not write the content of the last message at all.
    """
    *before, last = messages
    for marked, missing in ((last["content"] + mark, ""), (mark, last["content"])):
        head, found, _ = render([*before, {**last, "content": marked}]).rpartition(mark)
        if found:
            return head.replace(mark, "") + missing
    raise InvalidMessages(
        "the model's chat template does not write the text of the last message as it is: it cannot be gone on with"
    )
