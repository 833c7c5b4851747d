"""The form of an answer: asked for in OpenAI's words or in vLLM's, the same for the engine, or refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from chat.talk import chat, engine
from duihua.grammar import Grammar
from server.asgi import Server, asked, serving
from server.test_functions import ADD, calling

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
NAMED: dict[str, Any] = {"type": "json_schema", "json_schema": {"name": "thing", "strict": True, "schema": SCHEMA}}
JSON = Grammar.json_schema(SCHEMA)


@pytest.mark.parametrize(
    ("fields", "grammar"),
    [
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, Grammar.json_object()),
        ({"response_format": NAMED}, JSON),
        ({"structured_outputs": {"json": SCHEMA}}, JSON),
        ({"structured_outputs": {"json": JSON.text}}, JSON),
        ({"structured_outputs": {"json_object": True}}, Grammar.json_object()),
        ({"structured_outputs": {"regex": "[ab]+"}}, Grammar.regex("[ab]+")),
        ({"structured_outputs": {"choice": ["yes", "no"]}}, Grammar.choice(["yes", "no"])),
        ({"structured_outputs": {"grammar": 'root ::= "a"'}}, Grammar.ebnf('root ::= "a"')),
        ({"structured_outputs": {"regex": "a", "disable_any_whitespace": False}}, Grammar.regex("a")),
        ({"guided_json": SCHEMA}, JSON),
        ({"guided_regex": "[ab]+"}, Grammar.regex("[ab]+")),
        ({"guided_choice": ["yes"]}, Grammar.choice(["yes"])),
        ({"guided_grammar": 'root ::= "a"'}, Grammar.ebnf('root ::= "a"')),
    ],
)
def test_a_form_reaches_the_engine(fields: dict[str, Any], grammar: Grammar | None) -> None:
    over = engine("hello")
    assert asked(Server(chat(over)), **fields).status == 200
    assert over.requests[0].grammar == grammar


def test_a_form_goes_beside_tools_that_are_not_called() -> None:
    assert asked(calling("hello", "hello"), tools=[ADD], tool_choice="none", response_format=NAMED).status == 200
    reply = asked(calling("hello"), tools=[ADD], response_format={"type": "json_object"})
    assert (reply.status, reply.error["param"]) == (400, "response_format")


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"response_format": {"type": "object"}}, "response_format.type", "invalid_value"),
        ({"response_format": {"type": "text", "more": 1}}, "response_format.more", "invalid_value"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "invalid_value"),
        ({"response_format": {"type": "json_object", "json_schema": {"name": "a"}}}, "response_format.json_schema",
         "invalid_value"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
         "response_format.json_schema.name", "invalid_value"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}},
         "response_format.json_schema.name", "invalid_value"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
         "response_format.json_schema.schema", "invalid_value"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"not": {}}}}},
         "response_format.json_schema.schema", "unsupported_feature"),
        ({"response_format": {"type": "structural_tag", "structures": []}}, "response_format.structures",
         "unsupported_feature"),
        ({"structured_outputs": {}}, "structured_outputs", "invalid_value"),
        ({"structured_outputs": {"regex": "a", "choice": ["b"]}}, "structured_outputs", "invalid_value"),
        ({"structured_outputs": {"regex": "(?=a)"}}, "structured_outputs.regex", "unsupported_feature"),
        ({"structured_outputs": {"json": "{"}}, "structured_outputs.json", "invalid_value"),
        ({"structured_outputs": {"choice": []}}, "structured_outputs.choice", "invalid_value"),
        ({"structured_outputs": {"grammar": "a"}}, "structured_outputs.grammar", "invalid_value"),
        ({"structured_outputs": {"regex": "a", "disable_any_whitespace": True}},
         "structured_outputs.disable_any_whitespace", "unsupported_feature"),
        ({"structured_outputs": {"structural_tag": "{}"}}, "structured_outputs.structural_tag", "unsupported_feature"),
        ({"guided_regex": "a", "response_format": {"type": "json_object"}}, "guided_regex", "invalid_value"),
        ({"guided_choice": ["a"], "ignore_eos": True}, "ignore_eos", "invalid_value"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_with_its_place(fields: dict[str, Any], param: str, code: str) -> None:
    for stream in (False, True):
        reply = asked(serving(), stream=stream, **fields)
        assert (reply.status, reply.error["param"], reply.error["code"]) == (400, param, code)


def test_a_large_schema_is_read_beside_the_event_loop_and_means_the_same() -> None:
    wide = {"type": "object", "properties": {f"key_{i}": {"type": "integer"} for i in range(500)}}
    over = engine("hello")
    assert asked(Server(chat(over)), structured_outputs={"json": wide}).status == 200
    assert over.requests[0].grammar == Grammar.json_schema(wide)
    reply = asked(serving(), structured_outputs={"json": {**wide, "not": {}}})
    assert (reply.status, reply.error["param"]) == (400, "structured_outputs.json")
