"""The form that a request asks its answer to have, in OpenAI's words or in vLLM's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from duihua.errors import InvalidParameter, RequestError, UnsupportedFeature
from duihua.grammar import Grammar
from duihua.server.decoding import WrongField
from duihua.server.failures import Refusal
from duihua.server.wire import ChatRequest, ResponseFormat, StructuredOutputs

__all__ = ["Form", "at_field", "read_form"]

_NAME: Final = re.compile(r"[\w.-]{1,64}")
_STRUCTURED: Final = ("json", "regex", "choice", "grammar", "json_object")
_GUIDED: Final = {
    "guided_json": "json",
    "guided_regex": "regex",
    "guided_choice": "choice",
    "guided_grammar": "grammar",
}
_KINDS: Final = 'give "text", "json_object" or "json_schema"'
_COMPILED: Final = frozenset(("json_schema", "json_object", "regex", "choice", "ebnf"))  # kinds of grammars


@dataclass(frozen=True, slots=True)
class Form:
    """What the answer is held to.

    Attributes:
        grammar: the same for every engine.
        field: of the request, that asked for it.
    """

    grammar: Grammar
    field: str


def at_field(field: str, error: RequestError) -> RequestError | Refusal:
    """The same error about a field of the request, where it is about a grammar."""
    if isinstance(error, UnsupportedFeature):
        return Refusal(400, "unsupported_feature", f"{field}: {error}", param=field)
    if isinstance(error, InvalidParameter) and error.name in _COMPILED:
        return Refusal(400, "invalid_value", f"{field}: {error}", param=field)
    return error


def read_form(request: ChatRequest) -> Form | None:
    """The form that is asked for, if one is.

    Raises:
        WrongField: several are, or one that is none.
        UnsupportedFeature: what vLLM's own server knows beside forms.
        Refusal: a form that cannot be honoured; names the part of it.
    """
    found = [form for form in (_openai_s(request), _vllm_s(request), *_guided(request)) if form is not None]
    if len(found) > 1:
        raise WrongField(found[1][0], f"{found[0][0]} asks for a form too: give one")
    if not found:
        return None
    field, kind, value = found[0]
    try:
        return Form(_made(kind, value), field)
    except RequestError as error:
        raise at_field(field, error) from error


_Found = tuple[str, str, Any]  # the field, the kind of grammar, its value


def _openai_s(request: ChatRequest) -> _Found | None:
    asked: ResponseFormat | None = request.response_format
    if asked is None:
        return None
    for name in ("structures", "triggers", "format"):
        if getattr(asked, name) is not None:
            raise UnsupportedFeature(f"response_format.{name}", "structural tags are not followed: give a json_schema")
    if asked.type not in ("text", "json_object", "json_schema"):
        raise InvalidParameter("response_format.type", asked.type[:40], _KINDS)
    if asked.type != "json_schema":
        if asked.json_schema is not None:
            raise WrongField("response_format.json_schema", f"the type is {asked.type!r}: give 'json_schema'")
        return None if asked.type == "text" else ("response_format", "json_object", None)
    if asked.json_schema is None:
        raise WrongField("response_format.json_schema", 'it is missing: give {"name": ..., "schema": ...}')
    if not _NAME.fullmatch(asked.json_schema.name):
        raise WrongField("response_format.json_schema.name", "give 1 to 64 letters, digits, '_', '-' and '.'")
    if asked.json_schema.schema is None:
        raise WrongField("response_format.json_schema.schema", "it is missing: give a JSON schema")
    return "response_format.json_schema.schema", "json", asked.json_schema.schema


def _vllm_s(request: ChatRequest) -> _Found | None:
    asked: StructuredOutputs | None = request.structured_outputs
    if asked is None:
        return None
    for name, why in _NOT_HONOURED.items():
        if getattr(asked, name) not in (None, False):
            raise UnsupportedFeature(f"structured_outputs.{name}", why)
    given = [name for name in _STRUCTURED if getattr(asked, name) not in (None, False)]
    if len(given) != 1:
        raise WrongField("structured_outputs", f"give one of {', '.join(_STRUCTURED)}")
    return f"structured_outputs.{given[0]}", given[0], getattr(asked, given[0])


def _guided(request: ChatRequest) -> list[_Found]:
    return [(name, kind, value) for name, kind in _GUIDED.items() if (value := getattr(request, name)) is not None]


def _made(kind: str, value: Any) -> Grammar:
    match kind:
        case "json":
            return Grammar.json_schema(value) if isinstance(value, Mapping) else Grammar("json_schema", value)
        case "regex":
            return Grammar.regex(value)
        case "choice":
            return Grammar.choice(value)
        case "grammar":
            return Grammar.ebnf(value)
        case _:
            return Grammar.json_object()


_NOT_HONOURED: Final = {
    "disable_any_whitespace": "JSON comes on one line, with a space behind each comma and colon",
    "disable_additional_properties": 'say "additionalProperties": false in the schema',
    "whitespace_pattern": "JSON comes on one line, with a space behind each comma and colon",
    "structural_tag": "structural tags are not followed: give one of the other forms",
}
