"""A message's content as it comes over the wire: its words, and the pictures that stand between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from duihua.content import DETAILS
from duihua.errors import InvalidMessages, UnsupportedFeature
from duihua.server.decoding import WrongField
from duihua.server.pictures import Wanted
from duihua.server.wire import ContentPart, ImageUrl

__all__ = ["read_parts"]

_SHARED: Final = {"type", "prompt_cache_breakpoint"}
_FIELDS: Final = sorted({*ContentPart.__struct_fields__} - _SHARED)


def read_parts(parts: Sequence[ContentPart], index: int, *, is_user: bool) -> tuple[str, tuple[Wanted, ...]]:
    """The words of these parts as one text, and the pictures by their places in it.

    Args:
        index: of the message.
        is_user: whether it is a user's; nobody else shows pictures.

    Raises:
        InvalidMessages, InvalidParameter, UnsupportedFeature: a part that is none, or of a kind that is not read.
    """
    words: list[str] = []
    wanted: list[Wanted] = []
    length = 0
    for place, part in enumerate(parts):
        where = f"messages[{index}].content[{place}]"
        if part.type == "image_url" and is_user:
            _check_fields(part, "image_url", where)
            url, is_low = _picture(part.image_url, where)
            wanted.append(Wanted(index, length, where, url, is_low))
            continue
        if part.type == "image_url":
            raise UnsupportedFeature(where, "its type is 'image_url', and only a user's message shows pictures")
        if part.type != "text":
            raise UnsupportedFeature(where, f"its type is {part.type!r}, and messages hold text and pictures here")
        if part.text is None:
            raise InvalidMessages("a content part of type 'text' lacks its text", index=index)
        _check_fields(part, "text", where)
        words.append(part.text)
        length += len(part.text)
    return "".join(words), tuple(wanted)


def _check_fields(part: ContentPart, kind: str, where: str) -> None:
    for name in _FIELDS:
        if name != kind and getattr(part, name) is not None:
            raise UnsupportedFeature(f"{where}.{name}", f"a content part of type {kind!r} has none: leave it out")


def _picture(value: str | ImageUrl | None, where: str) -> tuple[str, bool]:
    """The URL of an `image_url`, and whether few pixels are enough."""
    if value is None:
        raise WrongField(f"{where}.image_url", 'it is missing: give {"url": "data:image/png;base64,..."}')
    if isinstance(value, str):
        return value, False
    if value.detail not in DETAILS:
        raise UnsupportedFeature(f"{where}.image_url.detail", "give 'auto', 'low' or 'high', or leave it out")
    return value.url, DETAILS[value.detail] is not None
