"""JSON schemas without references: small models read `{"$ref": ...}` as a value."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any, Final, cast

__all__ = ["inlined"]

_HERE: Final = "#/$defs/"
_MOST: Final = 10_000  # parts of a schema without references; definitions that use each other twice make 2, 4, 8 ...


def inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its definitions put where they are referred to; those that hold themselves stay definitions.

    One that would become too large stays as it is.
    """
    try:
        return _inlined(schema)
    except _TooLarge:
        return dict(schema)


class _TooLarge(Exception):
    pass


def _inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    definitions = cast("dict[str, Any]", schema.get("$defs", {}))
    left: set[str] = set()
    parts = count()

    def put(value: Any, inside: tuple[str, ...]) -> Any:
        if next(parts) > _MOST:
            raise _TooLarge
        if isinstance(value, list):
            return [put(item, inside) for item in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        fields = cast("dict[str, Any]", value)
        name = _referred(fields)
        if name is None or name not in definitions:
            return {key: put(item, inside) for key, item in fields.items()}
        if name in inside or _is_recursive(name, definitions):
            left.add(name)
            return dict(fields)
        beside = {key: item for key, item in fields.items() if key != "$ref"}
        return {**put(definitions[name], (*inside, name)), **put(beside, inside)}

    plain = put({key: value for key, value in schema.items() if key != "$defs"}, ())
    kept = {name: put(definitions[name], (name,)) for name in _reachable(left, definitions)}
    return {**plain, "$defs": kept} if kept else plain


def _referred(fields: Mapping[str, Any]) -> str | None:
    target = fields.get("$ref")
    return target.removeprefix(_HERE) if isinstance(target, str) and target.startswith(_HERE) else None


def _names_in(value: Any) -> set[str]:
    """The definitions that a part of a schema refers to."""
    if isinstance(value, list):
        return {name for item in cast("list[Any]", value) for name in _names_in(item)}
    if not isinstance(value, dict):
        return set()
    fields = cast("dict[str, Any]", value)
    name = _referred(fields)
    return {name for item in fields.values() for name in _names_in(item)} | ({name} if name else set())


def _reachable(names: set[str], definitions: Mapping[str, Any]) -> list[str]:
    """These definitions that hold themselves, and those that they lead to and that do so too, in their order."""
    found, waiting = set[str](), set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= _names_in(definitions.get(name)) - found
    return [name for name in definitions if name in found and _is_recursive(name, definitions)]


def _is_recursive(name: str, definitions: Mapping[str, Any]) -> bool:
    seen, waiting = set[str](), _names_in(definitions.get(name))
    while waiting:
        current = waiting.pop()
        if current == name:
            return True
        if current not in seen:
            seen.add(current)
            waiting |= _names_in(definitions.get(current))
    return False
