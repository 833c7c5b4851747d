"""Random JSON schemas of the keywords that are honoured, and how a caller would check an answer."""

from __future__ import annotations

import random
import string
from typing import Any

from jsonschema import Draft202012Validator

__all__ = ["check", "schema"]

_LEAVES = ("string", "pattern", "format", "integer", "number", "enum", "const", "boolean", "null", "types")


def schema(seed: int) -> dict[str, Any]:
    """One that some answer of finite length fits; small, so that a model without sense gets to its end."""
    chance = random.Random(seed)
    made = _node(chance, depth=3)
    Draft202012Validator.check_schema(made)
    return made


def check(asked: dict[str, Any], answer: object) -> None:
    """Raises where the answer is not valid."""
    Draft202012Validator(asked).validate(answer)


def _node(chance: random.Random, depth: int) -> dict[str, Any]:
    kinds = [*_LEAVES, *(("object", "array", "anyOf", "oneOf", "object", "allOf", "tuple", "map") if depth else ())]
    made = _MAKERS[kind](chance, depth) if (kind := chance.choice(kinds)) in _MAKERS else _leaf(kind, chance)
    return {"description": _word(chance), **made} if chance.random() < 0.3 and "allOf" not in made else made


def _leaf(kind: str, chance: random.Random) -> dict[str, Any]:
    low = chance.randint(-50, 50)
    match kind:
        case "string":
            return {"type": "string", "minLength": chance.randint(0, 2), "maxLength": chance.randint(2, 9)}
        case "pattern":
            return {
                "type": "string",
                "pattern": chance.choice(("^[a-z]{1,4}$", "^\\d{3}-\\d{2}$", "^(ab?|c)+$", "^.{2,5}$")),
            }
        case "format":
            return {"type": "string", "format": chance.choice(("date", "time", "ipv4", "uuid", "email"))}
        case "integer":
            return {"type": "integer", "minimum": low, "exclusiveMaximum": low + chance.randint(1, 900)}
        case "number":
            return {"type": "number", "exclusiveMinimum": low / 4, "maximum": low / 4 + chance.randint(1, 9)}
        case "enum":
            return {"enum": chance.sample([1, 2.5, "a", 'q"\\\n', "好", None, True, [1, "x"], {"k": []}], 3)}
        case "const":
            return {"const": _word(chance)}
        case "types":
            return {"type": ["boolean", "null", "integer"], "minimum": 0, "maximum": 99}
        case _:
            return {"type": kind}


def _object(chance: random.Random, depth: int) -> dict[str, Any]:
    names = sorted({_word(chance) for _ in range(chance.randint(0, 4))})
    made: dict[str, Any] = {"type": "object", "properties": {name: _node(chance, depth - 1) for name in names}}
    made["required"] = [name for name in names if chance.random() < 0.6]
    if chance.random() < 0.3:
        made["required"].append("undeclared")
    if chance.random() < 0.3:
        made["additionalProperties"] = chance.choice((False, True, {"type": "boolean"}))
        made["required"] = [name for name in made["required"] if name in names]
    elif len(names) > 2 and "undeclared" not in made["required"]:
        made["minProperties"], made["maxProperties"] = 1, max(2, len(made["required"]))
    return made


def _array(chance: random.Random, depth: int) -> dict[str, Any]:
    return {"type": "array", "items": _node(chance, depth - 1), "minItems": chance.randint(0, 1), "maxItems": 3}


def _tuple(chance: random.Random, depth: int) -> dict[str, Any]:
    first = [_node(chance, depth - 1) for _ in range(2)]
    return {"type": "array", "prefixItems": first, "minItems": 2, "maxItems": chance.randint(2, 3)}


def _map(chance: random.Random, depth: int) -> dict[str, Any]:
    return {"type": "object", "patternProperties": {"^k[0-9]$": _node(chance, depth - 1)}, "additionalProperties": False,
            "maxProperties": 3}  # fmt: skip


def _any_of(chance: random.Random, depth: int) -> dict[str, Any]:
    return {"anyOf": [_node(chance, depth - 1) for _ in range(2)]}


def _one_of(chance: random.Random, depth: int) -> dict[str, Any]:
    def branch(kind: str) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {"kind": {"const": kind}, "x": _node(chance, depth - 1)},
            "required": ["kind"],
        }

    return {"oneOf": [branch("a"), branch("b"), {"type": "null"}]}


def _all_of(chance: random.Random, depth: int) -> dict[str, Any]:
    return {"allOf": [_node(chance, depth - 1)]}


_MAKERS = {
    "object": _object, "array": _array, "tuple": _tuple, "map": _map, "anyOf": _any_of, "oneOf": _one_of, "allOf": _all_of
}  # fmt: skip


def _word(chance: random.Random) -> str:
    return "".join(chance.choice(string.ascii_lowercase + 'é好" ') for _ in range(chance.randint(1, 5)))
