"""Bare text becomes what the tool's schema asks for."""

from __future__ import annotations

from typing import Any

import pytest

from duihua.parsing.schemas import ToolSchemas
from parsing.reading import tool

NULLABLE = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
WORDS = {"type": ["string", "null"]}


@pytest.mark.parametrize(
    ("schema", "text", "json"),
    [
        ("string", "12", '"12"'),
        ("string", "null", '"null"'),
        ("string", " a ", '" a "'),
        ("integer", " 12 ", "12"),
        ("integer", "twelve", '"twelve"'),
        ("number", "1.50", "1.50"),
        ("number", "3", "3"),
        ("number", "1e999", '"1e999"'),
        ("number", "NaN", '"NaN"'),
        ("boolean", "True", "true"),
        ("boolean", "false", "false"),
        ("array", "[1, 'a']", '[1, "a"]'),
        ("object", '{"a": 1}', '{"a": 1}'),
        ("object", "{'a': None}", '{"a": null}'),
        (NULLABLE, "None", "null"),
        (NULLABLE, "7", "7"),
        (WORDS, "null", "null"),
        (WORDS, "None", '"None"'),
        ({"type": ["integer", "string"]}, "7", "7"),
        ({"type": ["integer", "string"]}, "x", '"x"'),
        ({"enum": ["1", "2"]}, "1", '"1"'),
        ({"enum": [1, 2]}, "1", "1"),
        ({"const": True}, "true", "true"),
        ({}, "[1]", "[1]"),
        ({}, "one", '"one"'),
    ],
)
def test_a_value_gets_the_type_of_its_schema(schema: Any, text: str, json: str) -> None:
    assert ToolSchemas([tool("f", key=schema)]).json_of("f", "key", text) == json


def test_a_parameter_or_a_tool_that_is_not_there_is_read_as_json_or_words() -> None:
    schemas = ToolSchemas([tool("f")])
    assert schemas.json_of("f", "other", "1") == "1"
    assert schemas.json_of("g", "key", "one") == '"one"'


def test_only_a_parameter_that_is_always_a_string_can_be_told_as_it_comes() -> None:
    schemas = ToolSchemas([tool("f", a="string", b=WORDS, c={"enum": ["x"]}, d={})])
    assert [schemas.is_text("f", key) for key in "abcd"] == [True, False, True, False]


@pytest.mark.parametrize(
    ("made", "key"),
    [
        (tool("f", ["code"], size="string", code="string"), "code"),
        (tool("f", ["size"], size="integer", command="string"), "command"),
        (tool("f", anything={}), "anything"),
        (tool("f", size="integer"), "size"),
        (tool("f"), "code"),
    ],
)
def test_raw_input_goes_to_the_parameter_that_takes_text(made: dict[str, Any], key: str) -> None:
    assert ToolSchemas([made]).text_key("f") == key


def test_schemas_that_say_nothing_harm_nothing() -> None:
    bare = {"type": "function", "function": {"name": "f"}}
    odd = {"type": "function", "function": {"name": "g", "parameters": {"properties": [], "required": "x"}}}
    schemas = ToolSchemas([bare, odd])
    assert schemas.text_key("f") == schemas.text_key("g") == "code"
    assert "f" in schemas
    assert schemas.has_prefix("")
    assert not schemas.has_prefix("h")
