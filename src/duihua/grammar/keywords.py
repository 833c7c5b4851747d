"""The keywords of JSON Schema: which hold an answer to something here, which say nothing, and why others cannot.

Found by giving xgrammar 0.2.8 each keyword with an answer that breaks it (tests/grammar/test_lowering.py does it
again): it passes over the refused ones, some with a line in its log, others without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from duihua.errors import UnsupportedFeature

__all__ = ["ASSERTIONS", "COMBINING", "check_keywords", "refuse"]

# What describes a schema and asserts nothing (JSON Schema 2020-12, sections 8 and 9), and where definitions stand.
_NOTES: Final = frozenset(
    (
        *("title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly"),
        *("$comment", "$schema", "$id", "$anchor", "$defs", "definitions", "discriminator"),
    )
)
COMBINING: Final = ("$ref", "anyOf", "oneOf", "allOf", "enum", "const")  # each stands alone in its schema
ASSERTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "unevaluatedProperties",
        "minProperties",
        "maxProperties",
        "patternProperties",
        "propertyNames",
    ),
    "boolean": (),
    "null": (),
}
_KNOWN: Final = frozenset(("type", *COMBINING, *(keyword for every in ASSERTIONS.values() for keyword in every)))
_REASONS: Final[Mapping[str, str]] = {
    "not": "a grammar says what may come, not what may not",
    "nullable": 'it is not of JSON Schema: write "type": ["...", "null"]',
    "additionalItems": 'write "items", with "prefixItems" before it',
    "dependencies": "one part of an answer cannot depend on another",
    "multipleOf": "a grammar cannot count so",
    "$dynamicRef": 'write "$ref": "#/..."',
    "$recursiveRef": 'write "$ref": "#"',
}
_OTHERWISE: Final = "no grammar holds an answer to it; leave it out, and check the answer yourself"


def refuse(keyword: str, where: str, why: str = "") -> UnsupportedFeature:
    """The error for a keyword that cannot be honoured, with its place in the schema."""
    return UnsupportedFeature(
        f"the JSON schema keyword {keyword!r} (at {where})", why or _REASONS.get(keyword, _OTHERWISE)
    )


def check_keywords(schema: Mapping[str, Any], where: str) -> list[str]:
    """Refuse keywords that would be passed over; gives those that assert something.

    Raises:
        UnsupportedFeature: names the keyword and its place.
    """
    asserting = [key for key in schema if key not in _NOTES and not key.startswith("x-")]
    for keyword in asserting:
        if keyword not in _KNOWN:
            raise refuse(keyword, where)
    combining = [keyword for keyword in COMBINING if keyword in schema]
    if combining:
        allowed = {combining[0], "type"} if combining[0] in ("enum", "const") else {combining[0]}
        beside = [keyword for keyword in asserting if keyword not in allowed]
        if beside:
            raise refuse(beside[0], where, f"it would be passed over beside {combining[0]!r}: move it into that")
    return asserting
