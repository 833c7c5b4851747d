"""A body of JSON as the type that it has to be; what is wrong with it is told by the field's name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec.inspect import ListType, StructType, Type, UnionType, type_info

from duihua.errors import InvalidParameter
from duihua.server.failures import Refusal

__all__ = ["WrongField", "decoded", "decoded_leniently"]

_T = TypeVar("_T")
_LONGEST_FIELD: Final = 64  # characters; longer names are compared with none
_NEAR: Final = 0.75  # of difflib's ratio, from which on a name may be what was meant
_PATH: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_HALF: Final = re.compile(rb"(?<!\\)\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]")
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)
_UNKNOWN: Final = re.compile(r"unknown field `(?P<name>.*)`", re.DOTALL)


class WrongField(InvalidParameter):
    """A field that is wrong; the value itself is not told again."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(name, None, sentence)
        self.args = (f"{name}: {sentence}",)


class _UnknownField(WrongField):
    pass


def decoded(body: bytes, kind: type[_T]) -> _T:
    """A body of JSON as what it has to be.

    Raises:
        Refusal: no JSON.
        WrongField: a field that is unknown, missing or of the wrong type.
    """
    try:
        return _decoder_of(kind).decode(body)
    except msgspec.ValidationError as error:
        raise _explained(error, kind) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _no_json(body, error) from error


def decoded_leniently(body: bytes, kind: type[_T]) -> tuple[_T, tuple[str, ...]]:
    """The same without the fields that are unknown, at any depth, and their names.

    A name stands once for all items of a list (`messages[].strange`), and is fit for a header.

    Raises:
        Refusal, WrongField: as `decoded`, but for unknown fields.
    """
    try:
        return decoded(body, kind), ()
    except _UnknownField:
        values = decoded(body, dict[str, Any])
    names: dict[str, None] = {}
    _leave_out(values, type_info(kind), "", names)
    try:
        return msgspec.convert(values, kind), tuple(names)
    except msgspec.ValidationError as error:
        raise _explained(error, kind) from error


@cache
def _decoder_of(kind: type[_T]) -> msgspec.json.Decoder[_T]:
    return msgspec.json.Decoder(kind)


def _no_json(body: bytes, error: Exception) -> Refusal:
    if isinstance(error, RecursionError):
        return Refusal(400, "invalid_json", "the body nests too deeply to be read")
    if isinstance(error, msgspec.DecodeError) and _HALF.search(body):
        return Refusal(400, "invalid_json", "a string holds half a character (a lone surrogate): it was cut")
    return Refusal(400, "invalid_json", f"the body is no JSON: {error}")


def _explained(error: msgspec.ValidationError, kind: type) -> WrongField:
    """What msgspec found, about the field and with the nearest name."""
    match = _PATH.match(str(error))
    what, path = (match["what"], match["path"] or "") if match else (str(error), "")
    if missing := _MISSING.fullmatch(what):
        return WrongField(f"{path}.{missing['name']}" if path else missing["name"], "it is missing")
    unknown = _UNKNOWN.search(what)
    if unknown is None:
        return WrongField(path or "body", what)
    name = f"{path}.{unknown['name']}" if path else unknown["name"]
    near = difflib.get_close_matches(unknown["name"][:_LONGEST_FIELD], _fields_at(kind, path), n=1, cutoff=_NEAR)
    return _UnknownField(
        name, f"unknown field {name!r}" + (f": did you mean {near[0]!r}?" if near else ": leave it out")
    )


def _fields_at(kind: type, path: str) -> list[str]:
    """The fields of the object that stands there, as `messages[0].tool_calls[0]`."""
    kinds: Iterable[Type] = [type_info(kind)]
    for step in re.split(r"[.\[]", path) if path else ():
        kinds = [inner for each in kinds for inner in _inside(each, step)]
        if not kinds:
            break
    return [name for each in kinds if isinstance(each, StructType) for name in _fields_of(each.cls)]


def _inside(kind: Type, step: str) -> Sequence[Type]:
    """What may stand in a field of this name, or at an index."""
    if isinstance(kind, ListType):
        return _alternatives(kind.item_type)
    found = _fields_of(kind.cls).get(step) if isinstance(kind, StructType) else None
    return _alternatives(found) if found is not None else ()


def _leave_out(value: object, kind: Type, path: str, names: dict[str, None]) -> None:
    """Remove what the objects of this value may not have, and note it."""
    for each in _alternatives(kind):
        if isinstance(each, StructType) and isinstance(value, dict):
            fields = _fields_of(each.cls)
            for name in [name for name in value if name not in fields]:
                del value[name]
                names[f"{path}{ascii(name)[1:-1]}"] = None
            for name, inner in value.items():
                _leave_out(inner, fields[name], f"{path}{name}.", names)
        elif isinstance(each, ListType) and isinstance(value, list) and isinstance(each.item_type, StructType):
            for item in value:
                _leave_out(item, each.item_type, f"{path.removesuffix('.')}[].", names)


def _alternatives(kind: Type) -> Sequence[Type]:
    return kind.types if isinstance(kind, UnionType) else (kind,)


@cache
def _fields_of(kind: type[msgspec.Struct]) -> dict[str, Type]:
    found = type_info(kind)
    return {field.encode_name: field.type for field in found.fields} if isinstance(found, StructType) else {}
