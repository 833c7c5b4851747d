from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from duihua.errors import InvalidParameter
from duihua.grammar import Grammar, grammar_of

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


class Thing(BaseModel):
    a: int


def test_every_way_of_asking_is_one_grammar() -> None:
    grammar = Grammar.json_schema(SCHEMA)
    assert grammar_of(grammar) == grammar
    assert grammar_of(SCHEMA) == grammar
    assert grammar_of({"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}) == grammar
    made = grammar_of(Thing)
    assert made is not None
    assert json.loads(made.text)["properties"]["a"]["type"] == "integer"
    assert grammar_of({"type": "json_object"}) == Grammar.json_object()


def test_asking_for_nothing_is_none() -> None:
    assert grammar_of(None) is None
    assert grammar_of({"type": "text"}) is None


@pytest.mark.parametrize("asked", ["json", 3, dict, {"type": "json_schema"}, {"type": "json_schema", "json_schema": 1}])
def test_what_is_no_form_is_refused_by_its_parameter(asked: Any) -> None:
    with pytest.raises(InvalidParameter, match="response_format"):
        grammar_of(asked)
