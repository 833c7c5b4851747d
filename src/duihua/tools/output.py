"""What a tool returned, as text and pictures for the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from duihua.errors import InvalidImage, ToolFailed
from duihua.image import Image
from duihua.tools.tool import ToolOutput

__all__ = ["output_of"]

_LONGEST_NAME: Final = 80  # characters of a type's name that are told


def output_of(value: object) -> ToolOutput:
    """Text and pictures of a returned value.

    A string stays as it is, nothing is "", pictures (`duihua.Image`, Pillow's) are pictures, a list that holds some is
    its words, one below the other, beside its pictures; everything else is JSON: numbers, lists, mappings, dataclasses,
    pydantic models, dates.

    It works where it is called; pictures take up to a second each.

    Raises:
        ToolFailed: it is none of these.
    """
    if isinstance(value, ToolOutput):
        return value
    if isinstance(value, list | tuple) and any(_is_picture(part) for part in cast("list[object]", value)):
        parts = cast("list[object]", value)
        words = [_text(part) for part in parts if not _is_picture(part)]
        return ToolOutput("\n".join(words), tuple(_picture(part) for part in parts if _is_picture(part)))
    if _is_picture(value):
        return ToolOutput("", (_picture(value),))
    return ToolOutput(_text(value))


def _is_picture(value: object) -> bool:
    if isinstance(value, Image):
        return True
    if not type(value).__module__.startswith("PIL."):  # so that Pillow is imported for pictures only
        return False
    from PIL.Image import Image as PillowImage

    return isinstance(value, PillowImage)


def _picture(value: object) -> Image:
    from duihua.vision.read import read_image

    try:
        return value if isinstance(value, Image) else read_image(cast("Any", value))
    except InvalidImage as error:
        raise ToolFailed(f"it returned a picture that cannot be passed on: {error}") from error


def _text(value: object) -> str:
    if value is None:
        return ""
    if (found := _iterator_in(value)) is not None:  # which may never end
        raise ToolFailed(f"it returned an iterator ({_kind(found)}): return a list")
    text = value if isinstance(value, str) else _json(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")  # no half characters


def _iterator_in(value: object) -> object | None:
    """The value or what is in it, where that is an iterator: JSON would go through it to its end."""
    waiting, known = [value], set[int]()
    while waiting:
        part = waiting.pop()
        if isinstance(part, Iterator):
            return part
        if isinstance(part, list | tuple | set | frozenset | dict) and id(part) not in known:
            known.add(id(part))
            waiting += cast("dict[Any, Any]", part).values() if isinstance(part, dict) else part
    return None


def _json(value: object) -> str:
    from pydantic_core import PydanticSerializationError, to_json

    try:
        return to_json(value).decode("utf-8")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise ToolFailed(f"it returned a {_kind(value)}, which is neither text, JSON nor a picture") from error


def _kind(value: object) -> str:
    return type(value).__name__[:_LONGEST_NAME]
