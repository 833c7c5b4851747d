"""What values a lowered schema can have: enough to tell branches apart, and to see that an answer can end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

__all__ = ["ends", "exclude_each_other", "of_types", "of_value"]

Node = Mapping[str, Any]
_ALL: Final = frozenset(("object", "array", "string", "integer", "fraction", "boolean", "null"))


def of_types(types: Iterable[str]) -> frozenset[str]:
    """The kinds of JSON Schema's types; a number is an integer or a fraction."""
    kinds = set(types)
    return frozenset(kinds - {"number"} | ({"integer", "fraction"} if "number" in kinds else set[str]()))


def of_value(value: object) -> frozenset[str]:
    """The kind of a value."""
    if isinstance(value, bool):
        return frozenset(("boolean",))
    if isinstance(value, int | float):
        return frozenset(("integer" if value == int(value) else "fraction",))
    names: dict[type, str] = {str: "string", dict: "object", list: "array"}
    return frozenset((names.get(type(value), "null"),))


def exclude_each_other(nodes: Sequence[Node], defs: Mapping[str, Node]) -> bool:
    """Whether it is plain that no value fits two of these."""
    return all(_apart(left, right, defs) for left, right in combinations(nodes, 2))


def _apart(left: Node, right: Node, defs: Mapping[str, Node]) -> bool:
    left, right = _followed(left, defs), _followed(right, defs)
    if not _kinds(left, defs, ()) & _kinds(right, defs, ()):
        return True
    if "enum" in left and "enum" in right:
        return not _written(left) & _written(right)
    if not (left.get("type") == right.get("type") == "object"):
        return False
    shared = set(left.get("required", ())) & set(right.get("required", ()))
    return any(_apart_in(left["properties"][key], right["properties"][key], defs) for key in shared)


def _apart_in(left: Node, right: Node, defs: Mapping[str, Node]) -> bool:
    left, right = _followed(left, defs), _followed(right, defs)
    return "enum" in left and "enum" in right and not _written(left) & _written(right)


def _written(node: Node) -> set[str]:
    return {json.dumps(value, sort_keys=True) for value in node["enum"]}


def _followed(node: Node, defs: Mapping[str, Node]) -> Node:
    for _ in range(len(defs) + 1):
        if "$ref" not in node:
            break
        node = defs[_name(node)]
    return node


def _kinds(node: Node, defs: Mapping[str, Node], seen: tuple[str, ...]) -> frozenset[str]:
    if "$ref" in node:
        name = _name(node)
        return _ALL if name in seen or not defs[name] else _kinds(defs[name], defs, (*seen, name))
    if "anyOf" in node:
        return frozenset[str]().union(*(_kinds(branch, defs, seen) for branch in node["anyOf"]))
    if "enum" in node:
        return frozenset[str]().union(*map(of_value, node["enum"]))
    return of_types((node["type"],)) if "type" in node else _ALL


def ends(body: Node, defs: Mapping[str, Node]) -> bool:
    """Whether a value of finite size fits, and fits what is required everywhere within."""
    finite: set[str] = set()
    while True:
        more = {name for name, node in defs.items() if name not in finite and _is_finite(node, finite)}
        if not more:
            return _is_finite(body, finite)
        finite |= more


def _is_finite(node: Node, finite: set[str]) -> bool:
    if "$ref" in node:
        return _name(node) in finite
    if "anyOf" in node:
        return any(_is_finite(branch, finite) for branch in node["anyOf"])
    if node.get("type") == "object":
        return all(_is_finite(node["properties"][key], finite) for key in node.get("required", ()))
    if node.get("type") == "array":
        least, before = node.get("minItems", 0), node.get("prefixItems", ())
        further = [node["items"]] if least > len(before) else []
        return all(_is_finite(item, finite) for item in (*before[:least], *further))
    return True


def _name(node: Node) -> str:
    return node["$ref"].rpartition("/")[2]
