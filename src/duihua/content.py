"""What a message says: words, and the pictures that stand between them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from duihua.errors import InvalidMessages, UnsupportedFeature
from duihua.image import Image

__all__ = ["ImageAt", "ReadImage", "check_places", "check_text", "gather", "read_content", "scatter", "write_content"]

ReadImage = Callable[[str], Image]
"""Makes a picture of the url of an `image_url` part: see `duihua.vision`."""


@dataclass(frozen=True, slots=True)
class ImageAt:
    """A picture, and the character of the message's words before which it stands."""

    at: int
    image: Image


def gather(parts: Iterable[str | Image]) -> tuple[str, tuple[ImageAt, ...]]:
    """The words of these parts as one text, and the pictures by their places in it.

    Raises:
        InvalidMessages: a part that is neither.
    """
    words: list[str] = []
    images: list[ImageAt] = []
    length = 0
    for part in parts:
        if isinstance(part, str):
            words.append(part)
            length += len(part)
        elif isinstance(part, Image):  # pyright: ignore[reportUnnecessaryIsInstance]  callers are not all typed
            images.append(ImageAt(length, part))
        else:
            raise InvalidMessages(f"a part of a message is a {type(part).__name__}: give strings and pictures")
    return "".join(words), tuple(images)


def scatter(content: str, images: Sequence[ImageAt]) -> tuple[str | Image, ...]:
    """Words and pictures in their order; empty words are left out."""
    parts: list[str | Image] = []
    start = 0
    for placed in images:
        parts += [content[start : placed.at], placed.image]
        start = placed.at
    return tuple(part for part in [*parts, content[start:]] if part)


def check_places(content: str, images: Sequence[ImageAt]) -> None:
    """Refuse pictures that stand outside the words or out of order.

    Raises:
        InvalidMessages: says where.
    """
    least = 0
    for placed in images:
        if not least <= placed.at <= len(content):
            raise InvalidMessages(
                f"a picture stands at character {placed.at}: its place is from {least}, where the one before it "
                f"stands, to {len(content)}, the end of the words"
            )
        least = placed.at


def check_text(text: object, name: str) -> None:
    """Refuse what cannot be encoded: no string, or one with half a character in it.

    Raises:
        InvalidMessages: it is such a text.
    """
    if not isinstance(text, str):
        raise InvalidMessages(f"{name} is a {type(text).__name__}: give a string")
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidMessages(
            f"{name} holds half a character at position {error.start} (a lone surrogate): it was cut or read in the "
            f"wrong encoding"
        ) from error


def read_content(
    value: object, *, index: int | None, read_image: ReadImage | None = None
) -> tuple[str, tuple[ImageAt, ...]]:
    """Read content in OpenAI's form: a string, or a list of parts.

    Raises:
        InvalidMessages: it is neither; with the message's index.
        UnsupportedFeature: a part that is neither text nor, where it can be read, a picture.
        RequestError: whatever `read_image` raises.
    """
    if value is None:
        return "", ()
    if isinstance(value, str):
        return _checked(value, index), ()
    if isinstance(value, list | tuple):
        return gather(_part(part, index, read_image) for part in cast("Sequence[object]", value))
    raise InvalidMessages(f"content is a {type(value).__name__}: give a string or a list of parts", index=index)


def write_content(content: str, images: Sequence[ImageAt]) -> str | list[dict[str, Any]]:
    """Write content in OpenAI's form: a string where there are only words, else parts, pictures as data URLs."""
    if not images:
        return content
    return [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": _data_url(part)}}
        for part in scatter(content, images)
    ]


def _part(part: object, index: int | None, read_image: ReadImage | None) -> str | Image:
    if not isinstance(part, Mapping):
        raise InvalidMessages("a content part must be a mapping with a 'type'", index=index)
    fields = cast("Mapping[str, object]", part)
    if fields.get("type") == "text" and isinstance(fields.get("text"), str):
        return _checked(cast("str", fields["text"]), index)
    if fields.get("type") == "image_url" and read_image is not None:
        return read_image(_url(fields.get("image_url"), index))
    why = "messages hold text and pictures"
    if fields.get("type") == "image_url":
        why = "a picture may stand in a user's message and in a tool's result, and only where pictures are read"
    raise UnsupportedFeature(f"content part {fields.get('type')!r}", why)


def _url(value: object, index: int | None) -> str:
    """The url of an `image_url` part, which is a mapping or, as some clients send it, the url itself."""
    fields = cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {"url": value}
    if fields.get("detail") not in (None, "auto"):
        raise UnsupportedFeature(
            f"image_url.detail {fields['detail']!r}", "the model's own image processor decides: leave it out"
        )
    if not isinstance(fields.get("url"), str):
        raise InvalidMessages("an image_url part needs image_url: {'url': ...}", index=index)
    return cast("str", fields["url"])


def _data_url(image: Image) -> str:
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode('ascii')}"


def _checked(text: str, index: int | None) -> str:
    try:
        check_text(text, "content")
    except InvalidMessages as error:
        raise InvalidMessages(str(error), index=index) from error
    return text
