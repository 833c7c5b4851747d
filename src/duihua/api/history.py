"""Histories as callers have them: messages, mappings, or the tutorials' (user, assistant) pairs."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from duihua.content import Part, read_content
from duihua.errors import InvalidMessages
from duihua.messages import Message, ReadImage

__all__ = ["History", "extended", "read_history"]

_Shown: TypeAlias = "str | Sequence[Part | Mapping[str, Any]]"
History: TypeAlias = "Sequence[Message | Mapping[str, Any]] | Sequence[tuple[_Shown, str]] | Sequence[Sequence[str]]"
"""The user's side of a pair may be a list of words and pictures."""


def read_history(
    history: History | None, *, system: str | None = None, read_image: ReadImage | None = None
) -> list[Message]:
    """The messages of a history; `system` replaces a leading system message.

    Args:
        read_image: see `Message.from_dict`.

    Raises:
        InvalidMessages: an item that is neither a message nor a pair, or no sequence of items at all.
    """
    given = cast("object", () if history is None else history)
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        kind = type(given).__name__
        raise InvalidMessages(f"the history is a {kind}: give a list of messages or pairs")
    items = cast("Iterable[object]", given)
    messages = [message for index, item in enumerate(items) for message in _messages(item, index, read_image)]
    if system is not None:
        while messages and messages[0].role == "system":
            del messages[0]
        if system:
            messages.insert(0, Message("system", system))
    return messages


def extended(
    history: History | None, before: Sequence[Message], user: Sequence[Message], answer: Sequence[Message]
) -> list[Any]:
    """The history with what was said and answered now, in the form it came in: pairs stay pairs where they can.

    Args:
        user: the user's message, or none.
        answer: the calls that were run, with their results, and the answer.
    """
    fits = len(user) == len(answer) == 1 and not user[0].images and not answer[0].tool_calls
    if history and fits and all(_is_pair_of_texts(item) for item in history):
        return [*history, (user[0].content, answer[0].content)]
    return [*before, *user, *answer]


def _messages(item: object, index: int, read_image: ReadImage | None) -> list[Message]:
    if isinstance(item, Message):
        return [item]
    if isinstance(item, Mapping):
        return [Message.from_dict(cast("Mapping[str, Any]", item), index=index, read_image=read_image)]
    if _is_pair(item):
        said, answer = cast("tuple[object, str]", item)
        content, images = read_content(said, index=index, read_image=read_image)
        return [Message("user", content, images=images), Message("assistant", answer)]
    raise InvalidMessages(
        f"history item {index} is neither a message nor a pair (user, assistant) of a string, or a list of strings and "
        f"pictures, and a string: {reprlib.repr(item)}",
        index=index,
    )


def _is_pair(item: object) -> bool:
    if not isinstance(item, list | tuple):
        return False
    sides = cast("Sequence[object]", item)
    return len(sides) == 2 and isinstance(sides[0], str | list | tuple) and isinstance(sides[1], str)


def _is_pair_of_texts(item: object) -> bool:
    return _is_pair(item) and isinstance(cast("Sequence[object]", item)[0], str)
