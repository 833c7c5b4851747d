"""Schemas of one type, lowered: strings, numbers, arrays, objects."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, cast

from duihua.errors import InvalidParameter
from duihua.grammar.formats import FORMATS, HINTS
from duihua.grammar.keywords import refuse
from duihua.grammar.patterns import json_pattern

__all__ = ["array", "number", "object_", "string"]

Node = dict[str, Any]
Child = Callable[[object, str], Node]  # lowers a schema within this one, given its path
_MOST: Final = 65_536  # of items, characters or keys
_PLACES: Final = 6  # after the decimal point, as far as xgrammar reads a bound (FormatFloat in its converter)
_SIGNED: Final = 2**63


def string(own: Node, where: str) -> Node:
    """With a pattern or between two lengths."""
    least, most = _between("Length", own, where)
    pattern, form = own.get("pattern"), own.get("format")
    if form is not None and form not in FORMATS and form not in HINTS:
        raise refuse("format", where, f"{form!r} is none of {', '.join(FORMATS)}")
    if pattern is not None and not isinstance(pattern, str):
        raise InvalidParameter("pattern", pattern, f"give a regular expression (at {where})")
    if form in FORMATS:
        if pattern is not None:
            raise refuse("pattern", where, "it cannot be joined with 'format': leave one out")
        found = FORMATS[form]
        if least > found.shortest or (most is not None and most < found.longest):
            raise refuse("minLength" if least else "maxLength", where, f"it cannot be joined with 'format': {form!r}")
        return {"type": "string", "pattern": json_pattern(found.pattern)}
    if pattern is not None:
        if least or most is not None:
            raise refuse(
                "minLength" if least else "maxLength", where, "it cannot be joined with 'pattern': write {m,n} there"
            )
        return {"type": "string", "pattern": json_pattern(pattern)}
    bounds = {} if most is None else {"maxLength": most}
    return {"type": "string", **({"minLength": least} if least else {}), **bounds}


def number(kind: str, own: Node, where: str) -> Node:
    """Between bounds."""
    for keyword, value in own.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidParameter(keyword, value, f"give a number (at {where})")
        if abs(value) >= _SIGNED or (kind == "number" and round(value, _PLACES) != value):
            raise refuse(keyword, where, f"a bound has {_PLACES} decimals at most, and 63 bits")
    if kind == "integer":
        own = _whole(own)
    low = max(own.get("minimum", -math.inf), own.get("exclusiveMinimum", -math.inf))
    high = min(own.get("maximum", math.inf), own.get("exclusiveMaximum", math.inf))
    is_open = own.get("exclusiveMinimum") == low or own.get("exclusiveMaximum") == high
    if low > high or (low == high and is_open):
        raise InvalidParameter("minimum", low, f"no number is between it and {high} (at {where})")
    return {"type": kind, **own}


def _whole(own: Node) -> Node:
    lows = [math.ceil(own["minimum"])] if "minimum" in own else []
    lows += [math.floor(own["exclusiveMinimum"]) + 1] if "exclusiveMinimum" in own else []
    highs = [math.floor(own["maximum"])] if "maximum" in own else []
    highs += [math.ceil(own["exclusiveMaximum"]) - 1] if "exclusiveMaximum" in own else []
    return {**({"minimum": max(lows)} if lows else {}), **({"maximum": min(highs)} if highs else {})}


def array(own: Node, where: str, child: Child) -> Node:
    """Of items, after some of their own kinds."""
    if own.get("uniqueItems", False) is not False:
        raise refuse("uniqueItems", where)
    least, most = _between("Items", own, where)
    before: Any = own.get("prefixItems", [])
    if not isinstance(before, list) or isinstance(own.get("items"), list):
        raise InvalidParameter("items", own.get("items"), f"write a list of kinds as 'prefixItems' (at {where})")
    first = cast("list[object]", before)[:most]
    items: Any = own.get("items", not first or least > len(first))
    prefix = [child(item, f"prefixItems/{i}") for i, item in enumerate(first)]
    if items is False or most == len(prefix):
        if least > len(prefix):
            raise InvalidParameter("minItems", least, f"there can be {len(prefix)} items (at {where})")
        if not prefix:
            return {"enum": [[]]}
        # As in JSON Schema, the first ones may be missing too.
        return {"type": "array", "prefixItems": prefix, "items": False, "minItems": least}
    found: Node = {"type": "array", "items": child(items, "items"), "minItems": least}
    return found | ({"prefixItems": prefix} if prefix else {}) | ({} if most is None else {"maxItems": most})


def object_(own: Node, where: str, child: Child) -> Node:
    """With declared keys; with others only where the schema says so, or declares none."""
    if own.get("unevaluatedProperties", False) is not False:
        raise refuse("unevaluatedProperties", where, "write additionalProperties")
    declared: Any = own.get("properties", {})
    required: Any = own.get("required", [])
    if not isinstance(declared, dict) or not isinstance(required, list):
        raise InvalidParameter("properties", declared, f"give an object, and 'required' as a list (at {where})")
    if not all(isinstance(key, str) for key in cast("list[object]", required)):
        raise InvalidParameter("required", required, f"give the names of properties (at {where})")
    if "patternProperties" in own or "propertyNames" in own:
        return _patterned(own, where, child)
    is_open = "properties" not in own and "unevaluatedProperties" not in own
    others: Any = own.get("additionalProperties", is_open)
    if any(key not in declared for key in required):
        if others is False and "additionalProperties" in own:
            raise InvalidParameter("required", required, f"not all of them can be there (at {where})")
        declared = {**declared, **{key: others or True for key in required if key not in declared}}
    properties = {key: child(schema, f"properties/{key}") for key, schema in cast("Node", declared).items()}
    found: Node = {
        "type": "object",
        "properties": properties,
        "required": [key for key in properties if key in required],
        "additionalProperties": False if others is False else child(others, "additionalProperties"),
    }
    return found | _key_counts(own, found, where)


def _key_counts(own: Node, found: Node, where: str) -> Node:
    least, most = _between("Properties", own, where)
    required, properties = found["required"], found["properties"]
    counts: Node = {}
    if least > len(required):
        if found["additionalProperties"] is not False:
            raise refuse("minProperties", where, "a key might come twice: declare the keys, or require them")
        if least > len(properties):
            raise InvalidParameter("minProperties", least, f"{len(properties)} keys are declared (at {where})")
        counts["minProperties"] = least
    if most is not None:
        if most < len(required):
            raise InvalidParameter("maxProperties", most, f"{len(required)} keys are required (at {where})")
        counts["maxProperties"] = most
    return counts


def _patterned(own: Node, where: str, child: Child) -> Node:
    """Keys told by a pattern, the only keys there are."""
    keyword = "patternProperties" if "patternProperties" in own else "propertyNames"
    beside = [
        key for key in own if key not in (keyword, "additionalProperties", "maxProperties", "unevaluatedProperties")
    ]
    if beside or (keyword == "patternProperties" and own.get("additionalProperties", False) is not False):
        raise refuse(keyword, where, f"it cannot be joined with {(beside or ['additionalProperties'])[0]!r}")
    said: Any = own[keyword]
    if keyword == "patternProperties":
        if not isinstance(said, dict) or len(cast("Node", said)) != 1:
            raise refuse(keyword, where, "give one pattern: keys that fit two cannot be told apart")
        [(pattern, schema)] = cast("Node", said).items()
    else:
        pattern, schema = _name_pattern(said, where), own.get("additionalProperties", True)
    most = _between("Properties", own, where)[1]
    found: Node = {"type": "object", "patternProperties": {json_pattern(pattern): child(schema, keyword)}}
    return found | {"additionalProperties": False} | ({} if most is None else {"maxProperties": most})


def _name_pattern(names: object, where: str) -> str:
    if isinstance(names, dict):
        asked = {key: value for key, value in cast("Node", names).items() if (key, value) != ("type", "string")}
        if list(asked) == ["pattern"] and isinstance(asked["pattern"], str):
            return asked["pattern"]
    raise refuse("propertyNames", where, 'only {"pattern": "..."} is honoured in it')


def _between(noun: str, own: Node, where: str) -> tuple[int, int | None]:
    least, most = own.get(f"min{noun}", 0), own.get(f"max{noun}")
    for name, value in (("min", least), ("max", most)):
        if value is None and name == "max":
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
            raise InvalidParameter(f"{name}{noun}", value, f"give a whole number up to {_MOST:,} (at {where})")
    if most is not None and least > most:
        raise InvalidParameter(f"min{noun}", least, f"it is above max{noun}={most} (at {where})")
    return least, most
