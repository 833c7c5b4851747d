"""What Python callers say, words and pictures of every form, as messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from duihua.content import Part, read_content
from duihua.errors import InvalidMessages
from duihua.image import Image
from duihua.messages import Message

__all__ = ["PictureReader", "Said", "check_words", "may_hold_pictures", "user_message"]

_URL: Final = re.compile(r"https?://", re.IGNORECASE)

Said: TypeAlias = "str | Iterable[Part | Mapping[str, Any]]"
"""A user's turn: words, or words and pictures in their order. A string is words always; a picture is a `duihua.Image`,
a file's bytes, a path, a Pillow image, or a content part in OpenAI's form."""


class PictureReader:
    """Makes pictures of whatever callers give; they are trusted, so it may be a path, or an address on the web.

    It works where it is called, for up to a second, or while a picture is fetched: keep it off an event loop.
    """

    def __init__(self, wait: Callable[[Coroutine[Any, Any, Image]], Image]) -> None:
        """`wait` gives what comes of a coroutine that runs elsewhere."""
        self._wait = wait

    def __call__(self, source: object) -> Image:
        """A picture from bytes, a path, a Pillow image, or the text of a path, data URL or URL.

        Raises:
            InvalidImage: it cannot be taken; says why.
            TypeError: it is nothing of the kind.
        """
        from duihua.vision.fetch import Fetcher
        from duihua.vision.read import read_image

        if isinstance(source, str) and _URL.match(source):
            return self._wait(Fetcher().fetch(source))
        return read_image(cast("Any", source))


def user_message(said: object, read_image: PictureReader) -> Message:
    """A user's turn as a message.

    Raises:
        InvalidMessages: it is empty, or neither words nor words and pictures.
        InvalidImage: a picture that cannot be taken.
    """
    if isinstance(said, str):
        message = Message("user", said)
    elif _are_parts(said):
        content, images = read_content(list(cast("Iterable[object]", said)), index=None, read_image=read_image)
        message = Message("user", content, images=images)
    else:
        raise InvalidMessages(f"the turn is a {type(said).__name__}: give a string, or a list of strings and pictures")
    if not message.content.strip() and not message.images:
        raise InvalidMessages("the message is empty: say something")
    return message


def may_hold_pictures(said: object, history: object = None) -> bool:
    """Whether there may be something in a turn or its history that must be read."""
    items = cast("Sequence[object]", history) if isinstance(history, Sequence) else ()
    return _are_parts(said) or any(_are_parts(_content_of(item)) for item in items)


def check_words(text: object) -> str:
    """A text that is none, or empty, refused.

    Raises:
        InvalidMessages: it is.
    """
    if not isinstance(text, str):
        raise InvalidMessages(f"the text is a {type(text).__name__}: give a string")
    if not text:
        raise InvalidMessages("the text is empty: give some")
    return text


def _are_parts(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _content_of(item: object) -> object:
    """What the user says in an item of a history, of any form but a message, which was read."""
    if isinstance(item, Mapping):
        return cast("Mapping[str, object]", item).get("content")
    return cast("Sequence[object]", item)[0] if isinstance(item, list | tuple) and item else None
