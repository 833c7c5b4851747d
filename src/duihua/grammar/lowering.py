"""A caller's JSON schema as one that xgrammar follows to the letter, or an error that names what it would not.

What comes out has the same meaning or a narrower one, never a wider: every answer that it allows is valid by what
came in. References become short names, `oneOf` becomes `anyOf` where no value fits two of its branches, and so on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, cast
from urllib.parse import unquote

from duihua.errors import InvalidParameter, RequestError
from duihua.grammar import kinds, shapes
from duihua.grammar.keywords import ASSERTIONS, check_keywords, refuse

__all__ = ["lowered"]

Node = dict[str, Any]
_MOST_ONE_OF: Final = 64  # branches of a oneOf: each is compared with each
_MOST_LEVELS: Final = 32
_MOST_NODES: Final = 5000
_EXACT: Final = 2**53  # xgrammar reads numbers as doubles


def lowered(text: str) -> Node:
    """The schema that engines compile.

    Raises:
        InvalidParameter: no JSON schema, too large or too deep, or one that no answer of finite length fits.
        UnsupportedFeature: a keyword that cannot be honoured; names it and its place.
    """
    outcome = _lowered(text)
    if isinstance(outcome, RequestError):
        raise outcome.with_traceback(None)
    return outcome


@lru_cache(maxsize=64)
def _lowered(text: str) -> Node | RequestError:
    try:
        root: Any = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return InvalidParameter("json_schema", text[:40], f"it is no JSON ({error})")
    try:
        return _Reader(root).read()
    except RequestError as error:
        return error


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not of JSON")


class _Reader:
    """Reads one schema with its definitions."""

    def __init__(self, root: object) -> None:
        self._root = root
        self._names: dict[str, str] = {}  # of the places that references lead to
        self._defs: dict[str, Node] = {}
        self._nodes = 0

    def read(self) -> Node:
        body = self.node(self._root, "#", 0)
        found = {**body, "$defs": self._defs} if self._defs else body
        if not kinds.ends(body, self._defs):
            raise InvalidParameter("json_schema", "this one", "no answer of finite length fits it: it asks for itself")
        return found

    def node(self, schema: object, where: str, level: int) -> Node:
        """One schema, lowered."""
        self._nodes += 1
        if level > _MOST_LEVELS or self._nodes > _MOST_NODES:
            raise InvalidParameter("json_schema", "this one", f"at most {_MOST_LEVELS} levels, {_MOST_NODES:,} schemas")
        if schema is True:
            return {}
        if schema is False:
            raise InvalidParameter("json_schema", schema, f"nothing fits it (at {where})")
        if not isinstance(schema, dict):
            raise InvalidParameter("json_schema", schema, f"a schema is an object (at {where})")
        node = cast("Node", schema)
        asserting = check_keywords(node, where)
        for keyword in ("anyOf", "oneOf", "allOf"):
            if keyword in node:
                return self._branches(node[keyword], keyword, where, level)
        if "$ref" in node:
            return self._reference(node["$ref"], where, level)
        if "enum" in node or "const" in node:
            return _values(node, where)
        return self._typed(node, asserting, where, level)

    def _branches(self, branches: object, keyword: str, where: str, level: int) -> Node:
        if not isinstance(branches, list) or not branches:
            raise InvalidParameter(keyword, branches, f"give a list of schemas (at {where})")
        listed = cast("list[object]", branches)
        nodes = [self.node(branch, f"{where}/{keyword}/{i}", level + 1) for i, branch in enumerate(listed)]
        if keyword == "allOf" and len(nodes) > 1:
            raise refuse(keyword, where, "several schemas at once cannot be joined: write them as one")
        if keyword == "oneOf" and len(nodes) > _MOST_ONE_OF:
            raise refuse(keyword, where, f"it has more than {_MOST_ONE_OF} branches: write anyOf")
        if keyword == "oneOf" and not kinds.exclude_each_other(nodes, self._defs):
            raise refuse(
                keyword, where, "a value could fit two of its branches: write anyOf, or give each a const of its own"
            )
        return nodes[0] if len(nodes) == 1 else {"anyOf": nodes}

    def _reference(self, pointer: object, where: str, level: int) -> Node:
        if not isinstance(pointer, str) or not (pointer == "#" or pointer.startswith("#/")):
            raise refuse("$ref", where, f"{pointer!r} leads elsewhere: only '#' and '#/...' are followed")
        if pointer not in self._names:
            name = self._names[pointer] = f"r{len(self._names)}"
            self._defs[name] = {}
            self._defs[name] = self.node(self._found(pointer, where), pointer, level + 1)
        return {"$ref": f"#/$defs/{self._names[pointer]}"}

    def _found(self, pointer: str, where: str) -> object:
        place: Any = self._root
        for part in pointer.split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(place, list) and key.isdecimal() and int(key) < len(cast("list[Any]", place)):
                place = place[int(key)]
            elif isinstance(place, dict) and key in place:
                place = place[key]
            else:
                raise InvalidParameter("$ref", pointer, f"there is nothing at that place (at {where})")
        return place

    def _typed(self, node: Node, asserting: list[str], where: str, level: int) -> Node:
        types = _types(node, asserting, where)
        nodes = [self._of_type(kind, node, where, level) for kind in types]
        if not nodes:
            return {}
        return nodes[0] if len(nodes) == 1 else {"anyOf": nodes}

    def _of_type(self, kind: str, node: Node, where: str, level: int) -> Node:
        own = {keyword: node[keyword] for keyword in ASSERTIONS[kind] if keyword in node}

        def child(schema: object, path: str) -> Node:
            return self.node(schema, f"{where}/{path}", level + 1)

        if kind == "string":
            return shapes.string(own, where)
        if kind in ("number", "integer"):
            return shapes.number(kind, own, where)
        if kind == "array":
            return shapes.array(own, where, child)
        if kind == "object":
            return shapes.object_(own, where, child)
        return {"type": kind}


def _types(node: Mapping[str, Any], asserting: list[str], where: str) -> list[str]:
    """The types that a schema allows; none where it allows every value."""
    said: Any = node.get("type")
    if said is None:
        if not asserting:
            return []
        for kind in ("object", "array"):
            if all(keyword in ASSERTIONS[kind] for keyword in asserting):
                return [kind]
        loose = next((word for word in asserting if word not in ASSERTIONS["object"] + ASSERTIONS["array"]), "items")
        raise refuse(loose, where, 'it needs a "type" beside it')
    types: list[Any] = cast("list[Any]", said) if isinstance(said, list) else [said]
    if not types or not all(isinstance(kind, str) and kind in ASSERTIONS for kind in types):
        raise InvalidParameter("type", said, f"give one or several of {', '.join(ASSERTIONS)} (at {where})")
    return [kind for kind in dict.fromkeys(types) if kind != "integer" or "number" not in types]


def _values(node: Mapping[str, Any], where: str) -> Node:
    """An enum, without the values that its type forbids."""
    values: Any = node["enum"] if "enum" in node else [node["const"]]
    if not isinstance(values, list) or not values:
        raise InvalidParameter("enum", values, f"give a list of values (at {where})")
    listed = cast("list[Any]", values)
    if "type" in node:
        allowed = _types(node, ["type"], where)
        listed = [value for value in listed if kinds.of_value(value) & kinds.of_types(allowed)]
    if not listed:
        raise InvalidParameter("enum", values, f"no value is of its type (at {where})")
    if any(not _is_exact(value) for value in listed):
        raise refuse("enum", where, "a number in it has more digits than a double holds")
    return {"enum": listed}


def _is_exact(value: object) -> bool:
    if isinstance(value, list):
        return all(_is_exact(each) for each in cast("list[object]", value))
    if isinstance(value, dict):
        return all(_is_exact(each) for each in cast("dict[str, object]", value).values())
    return not isinstance(value, int | float) or abs(value) <= _EXACT
