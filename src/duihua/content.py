"""What a message says: words, and the pictures that stand between them."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from duihua.errors import InvalidImage, InvalidMessages, UnsupportedFeature
from duihua.image import Image
from duihua.vision.bounds import LOW_DETAIL

if TYPE_CHECKING:
    from PIL.Image import Image as Pillow

__all__ = [
    "DETAILS",
    "ImageAt",
    "Part",
    "ReadImage",
    "check_places",
    "check_text",
    "gather",
    "read_content",
    "scatter",
    "write_content",
]

_URL_FIELDS: Final = {"url", "detail"}
_ONLY_THERE: Final = "a picture may stand in a user's message and in a tool's result, and only where pictures are read"

Part: TypeAlias = "str | Image | bytes | os.PathLike[str] | Pillow"
"""Words, or a picture: one that was read, a file's bytes, a path, or Pillow's. A string is words always: nothing
that came as JSON names a file."""

DETAILS: Final[Mapping[str | None, int | None]] = {None: None, "auto": None, "high": None, "low": LOW_DETAIL}
"""The `detail` of an `image_url`, and how many pixels the longer side then has at most; None: as many as it has."""

ReadImage: TypeAlias = Callable[[Any], Image]
"""Makes a picture of the url of an `image_url` part, or of an object that stands for one: see `duihua.vision`. Raises
InvalidImage, and InvalidMessages or TypeError for an object that is no picture. Where a stranger's messages are read it
must open no file."""


@dataclass(frozen=True, slots=True)
class ImageAt:
    """A picture, and the character of the message's words before which it stands."""

    at: int
    image: Image


def gather(parts: Iterable[Part]) -> tuple[str, tuple[ImageAt, ...]]:
    """The words of these parts as one text, and the pictures by their places in it, read where they are not yet.

    Raises:
        InvalidMessages: a part that is neither.
        InvalidImage: a picture that cannot be taken.
    """
    words: list[str] = []
    images: list[ImageAt] = []
    length = 0
    for at, part in enumerate(parts):
        if isinstance(part, str):
            words.append(part)
            length += len(part)
        else:
            images.append(ImageAt(length, _read(part, _Place(at, None), _read_here)))
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
    """Read content in OpenAI's form: a string, or a list of parts, beside which may stand strings and pictures.

    Args:
        index: of the message, for errors.
        read_image: None: there can be no pictures.

    Raises:
        InvalidMessages: it is neither, or a part is nothing of the kind; with the message's index.
        UnsupportedFeature: a part that is neither text nor, where it can be read, a picture.
        RequestError: whatever `read_image` raises.
    """
    if value is None:
        return "", ()
    if isinstance(value, str):
        return _checked(value, index), ()
    if isinstance(value, list | tuple):
        parts = enumerate(cast("Sequence[object]", value))
        return gather(_part(part, _Place(at, index), read_image) for at, part in parts)
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


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a part stands, for errors."""

    at: int
    message: int | None

    def __str__(self) -> str:
        return f"content[{self.at}]" if self.message is None else f"messages[{self.message}].content[{self.at}]"

    def refusal(self, why: str) -> InvalidMessages:
        return InvalidMessages(f"{self} {why}", index=self.message)


def _part(part: object, place: _Place, read_image: ReadImage | None) -> str | Image:
    if isinstance(part, str):
        return _checked(part, place.message)
    if not isinstance(part, Mapping):
        return _picture(part, place, read_image)
    fields = cast("Mapping[str, object]", part)
    kind = fields.get("type")
    if kind == "text":
        if not isinstance(fields.get("text"), str):
            raise place.refusal("is of type 'text' and lacks its text: give a string")
        return _checked(cast("str", fields["text"]), place.message)
    if kind == "image_url" and read_image is not None:
        url, side = _url(fields.get("image_url"), place)
        image = _read(url, place, read_image)
        return image if side is None else _shrunk(image, side)
    raise UnsupportedFeature(
        f"content part {kind!r}", _ONLY_THERE if kind == "image_url" else "messages hold text and pictures"
    )


def _picture(part: object, place: _Place, read_image: ReadImage | None) -> Image:
    if read_image is None:
        raise place.refusal(f"is a {type(part).__name__}: give a string or a mapping with a 'type' ({_ONLY_THERE})")
    return _read(part, place, read_image)


def _shrunk(image: Image, side: int) -> Image:
    from duihua.vision.pixels import shrunk

    return shrunk(image, side)


def _read(source: object, place: _Place, read_image: ReadImage) -> Image:
    """A picture, or why there is none, by the picture's name or its place."""
    try:
        return source if isinstance(source, Image) else read_image(source)
    except TypeError as error:
        raise place.refusal(_no_part(source)) from error
    except InvalidImage as error:
        if error.name:
            raise
        raise InvalidImage(str(error), why=error.why, name=str(place)) from error


def _read_here(source: Any) -> Image:
    from duihua.vision.read import read_image

    return read_image(source)


def _no_part(value: object) -> str:
    return (
        f"is a {type(value).__name__}: give a string, or a picture (a duihua.Image, a file's bytes, a path or a Pillow "
        f"image)"
    )


def _url(value: object, place: _Place) -> tuple[str, int | None]:
    """The url of an `image_url`, which is a mapping or the url itself, and how many pixels are enough for a side."""
    fields = cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {"url": value}
    if unknown := sorted(map(str, set(fields) - _URL_FIELDS)):
        raise place.refusal(f"has an image_url with unknown keys {unknown}: it may have {sorted(_URL_FIELDS)}")
    url, detail = fields.get("url"), fields.get("detail")
    if not isinstance(url, str):
        raise place.refusal(f"needs image_url: {{'url': ...}} with a string, and it is a {type(url).__name__}")
    if not isinstance(detail, str | None) or detail not in DETAILS:
        raise UnsupportedFeature(f"image_url.detail {detail!r}", "give 'auto', 'low' or 'high', or leave it out")
    return url, DETAILS[detail]


def _data_url(image: Image) -> str:
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode('ascii')}"


def _checked(text: str, index: int | None) -> str:
    try:
        check_text(text, "content")
    except InvalidMessages as error:
        raise InvalidMessages(str(error), index=index) from error
    return text
