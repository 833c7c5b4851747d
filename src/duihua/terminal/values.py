"""Text and TOML values to what an annotation asks for: one meaning in duihua.toml, in variables and in `/set`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, cast, get_args, get_origin

__all__ = ["expected", "from_text", "from_value", "members"]

_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("0", "false", "no", "off")
_NAMES: Final[Mapping[object, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Any: "any value",
}


def members(annotation: object) -> tuple[object, ...]:
    """The types a value may have, None left out."""
    if get_origin(annotation) in (Union, UnionType):
        return tuple(kind for kind in get_args(annotation) if kind is not NoneType)
    return (annotation,)


def expected(annotation: object) -> str:
    """What an annotation asks for, for people."""
    return " or ".join(_name(kind) for kind in members(annotation))


def from_text(annotation: object, text: str) -> object:
    """The value that a text stands for; lists and tables are written as JSON.

    Where both a text and a list may stand, what begins with [ is a list.

    Raises:
        ValueError: the text is none of what `expected` says.
    """
    for kind in members(annotation):
        found = _scalar_from_text(kind, text.strip()) if kind is not str else None
        if found is not None:
            return found
    if str in members(annotation) and not (text.startswith("[") and len(members(annotation)) > 1):
        return text
    try:
        return from_value(annotation, json.loads(text))
    except ValueError as error:
        raise ValueError(expected(annotation)) from error


def from_value(annotation: object, value: object) -> object:
    """The value as its annotation asks for it: a list as a tuple, a whole number as a float.

    Raises:
        ValueError: the value is none of what `expected` says.
    """
    for kind in members(annotation):
        try:
            return _checked(kind, value)
        except ValueError:
            continue
    raise ValueError(expected(annotation))


def _scalar_from_text(kind: object, text: str) -> object | None:
    if kind is bool:
        return True if text.lower() in _TRUE else False if text.lower() in _FALSE else None
    if kind is int or kind is float:
        try:
            return kind(text)
        except ValueError:
            return None
    if get_origin(kind) is Literal:
        return text if text in get_args(kind) else None
    return None


def _checked(kind: object, value: object) -> object:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is Literal and value in arguments:
        return value
    if origin is Sequence and isinstance(value, list):
        return tuple(from_value(arguments[0], item) for item in cast("list[Any]", value))
    if origin is Mapping and isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return {from_text(arguments[0], key): from_value(arguments[1], item) for key, item in pairs}
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
        return value
    raise ValueError(expected(kind))


def _name(kind: object) -> str:
    if kind in _NAMES:
        return _NAMES[kind]
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if get_origin(kind) is Sequence:
        return f"a list, each {_name(get_args(kind)[0])}"
    return "a table of " + " to ".join(_name(argument) for argument in get_args(kind))
