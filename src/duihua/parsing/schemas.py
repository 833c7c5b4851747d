"""The tools of a turn as an answer's reader needs them: their names, and what their parameters may be."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from duihua.parsing.literals import python_value

__all__ = ["ToolSchemas"]

_JSON_KINDS: Final[Mapping[type, str]] = {
    str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object", type(None): "null"
}  # fmt: skip
_NATIVE_KEY: Final = "code"


class ToolSchemas:
    """Tools by name.

    Args:
        tools: schemas in OpenAI's form, checked.
    """

    def __init__(self, tools: Sequence[Mapping[str, Any]]) -> None:
        self._parameters: dict[str, Mapping[str, Any]] = {
            tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in tools
        }

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def has_prefix(self, text: str) -> bool:
        """Whether some tool's name begins with this."""
        return any(name.startswith(text) for name in self._parameters)

    def text_key(self, name: str) -> str:
        """The parameter that takes a tool's whole input where a model gives it as raw text.

        That is the first required one that may be a string, else the first that may be, else "code".
        """
        properties = self._properties(name)
        required: Any = self._parameters.get(name, {}).get("required")
        first = [key for key in required if key in properties] if isinstance(required, list) else []
        texts = [key for key in (*first, *properties) if "string" in _kinds(properties[key]) or not properties[key]]
        return texts[0] if texts else next(iter(properties), _NATIVE_KEY)

    def is_text(self, name: str, key: str) -> bool:
        """Whether a parameter can be nothing but a string."""
        return _kinds(self._properties(name).get(key)) == {"string"}

    def json_of(self, name: str, key: str, text: str) -> str:
        """A parameter's value, which the model gave as bare text, as JSON: of the type that the schema asks for.

        What fits no type of the schema is read as JSON, else as a string: whoever validates arguments says more.
        """
        kinds = _kinds(self._properties(name).get(key))
        bare = text.strip()
        if "string" in kinds and not ("null" in kinds and bare == "null"):
            others = kinds - {"string", "null"}
            return _typed(bare, others) or json.dumps(text, ensure_ascii=False)
        return _typed(bare, kinds) or _untyped(bare) or json.dumps(text, ensure_ascii=False)

    def _properties(self, name: str) -> Mapping[str, Any]:
        properties: object = self._parameters.get(name, {}).get("properties")
        return cast("Mapping[str, Any]", properties) if isinstance(properties, Mapping) else {}


def _kinds(schema: object) -> set[str]:
    """The JSON types that a schema allows, as far as it says so in plain words."""
    if not isinstance(schema, Mapping):
        return set()
    said = cast("Mapping[str, Any]", schema)
    kind: object = said.get("type")
    kinds = {kind} if isinstance(kind, str) else set(cast("list[str]", kind)) if isinstance(kind, list) else set[str]()
    for word in ("anyOf", "oneOf"):
        options: object = said.get(word)
        for option in cast("list[object]", options) if isinstance(options, list) else ():
            kinds |= _kinds(option)
    values: object = [said["const"]] if "const" in said else said.get("enum")
    if not kinds and isinstance(values, list):
        kinds = {_JSON_KINDS.get(type(value), "string") for value in cast("list[object]", values)}
    return kinds


def _typed(bare: str, kinds: set[str]) -> str | None:
    """The text as JSON of one of these types; None where it is of none."""
    if "boolean" in kinds and bare.lower() in ("true", "false"):
        return bare.lower()
    if "null" in kinds and bare.lower() in ("null", "none"):
        return "null"
    for value, written in ((_json(bare), bare), (python_value(bare), None)):
        kind = _JSON_KINDS.get(type(value), "")
        if kind in kinds or (kind == "integer" and "number" in kinds):
            return written or _untyped_value(value)
    return None


def _untyped(bare: str) -> str | None:
    return None if _json(bare) is _NOTHING else bare


def _untyped_value(value: object) -> str | None:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None


class _Nothing:
    """No JSON at all; `null` is a value."""


_NOTHING: Final = _Nothing()


def _json(text: str) -> object:
    try:
        value: object = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _NOTHING
    return _NOTHING if isinstance(value, float) and not math.isfinite(value) else value


def _refuse(constant: str) -> object:
    raise ValueError(constant)
