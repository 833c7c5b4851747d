"""What callers write for the form of an answer, as a grammar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from duihua.errors import InvalidParameter
from duihua.grammar.grammar import Grammar

__all__ = ["grammar_of"]

_FORMS: Final = (
    'give a pydantic model, a JSON schema, a duihua.Grammar, or OpenAI\'s {"type": "json_schema", "json_schema": '
    '{"name": ..., "schema": ...}}'
)


def grammar_of(asked: object, name: str = "response_format") -> Grammar | None:
    """A grammar of a pydantic model class, a JSON schema, a `Grammar`, or of OpenAI's `response_format`.

    Source of the last: https://platform.openai.com/docs/api-reference/chat/create, `response_format`.

    Args:
        asked: one of these; None, and OpenAI's "text", ask for nothing.
        name: of the parameter, for errors.

    Raises:
        InvalidParameter: it is none of them.
        UnsupportedFeature: a keyword of the schema cannot be honoured; names it.
    """
    if asked is None or isinstance(asked, Grammar):
        return asked
    schema_of: Any = getattr(asked, "model_json_schema", None)
    if isinstance(asked, type) and callable(schema_of):
        return Grammar.json_schema(cast("Mapping[str, Any]", schema_of()))
    if not isinstance(asked, Mapping):
        raise InvalidParameter(name, asked, _FORMS)
    said = cast("Mapping[str, Any]", asked)
    match said.get("type"):
        case "text":
            return None
        case "json_object":
            return Grammar.json_object()
        case "json_schema":
            inner: object = said.get("json_schema")
            schema: object = cast("Mapping[str, Any]", inner).get("schema") if isinstance(inner, Mapping) else None
            if not isinstance(schema, Mapping):
                raise InvalidParameter(f"{name}.json_schema.schema", schema, "give the JSON schema here")
            return Grammar.json_schema(cast("Mapping[str, Any]", schema))
        case _:
            return Grammar.json_schema(said)
