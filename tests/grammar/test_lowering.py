"""Each keyword with answers that break it: what is let through is followed, what is not followed is refused."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import xgrammar
from jsonschema import Draft202012Validator

from duihua.engine.ebnf import ebnf_of
from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.grammar import Grammar, lowered

END = 256
BYTES = xgrammar.TokenizerInfo(
    [bytes([i]) for i in range(256)] + [b""], xgrammar.VocabType.RAW, vocab_size=257, stop_token_ids=[END]
)
COMPILER = xgrammar.GrammarCompiler(BYTES, max_threads=1, cache_enabled=False)
INTEGER = {"type": "integer"}


def follows(schema: Any, answer: str) -> bool:
    """Whether the schema's rules take an answer."""
    matcher = xgrammar.GrammarMatcher(COMPILER.compile_grammar(ebnf_of(Grammar.json_schema(schema))))
    return all(matcher.accept_token(byte) for byte in answer.encode()) and matcher.accept_token(END)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string"}, ['"好\\n\\u0041"'], ['"a\nb"', "1"]),
        ({"type": "string"}, ['"\\ud83D\\uDE00\\uD7ff\\ue000"'], ['"\\ud800"', '"\\udE00"', '"\\ud83d\\ud83d"', '"\\ud83d\\n"']),
        ({"type": "string", "minLength": 2, "maxLength": 3}, ['"ab"', '"a\\n\\""'], ['"a"', '"abcd"', '"a\x01"', '"\\"']),
        ({"type": "string", "pattern": "^[^@\\s]+@.{1,2}$"}, ['"a@好"'], ['"a"', '""@b"', '"a@b\n"', '"\u3000@b"']),
        ({"type": "string", "pattern": "(b[0-9]{1,2})?Z"}, ['"Z"', '"b1Z"'], ['"5Z"']),
        ({"type": "string", "format": "date"}, ['"2024-12-31"'], ['"2024-02-31"', '"2024-13-01"']),
        ({"type": "string", "format": "email", "minLength": 1}, ['"a@b.c"'], ['"a"', '"\\q@b.c"']),
        ({"type": ["string", "null"], "maxLength": 1}, ['"a"', "null"], ['"ab"', "1"]),
        ({"type": "integer", "minimum": 2.5, "exclusiveMaximum": 6}, ["3", "5"], ["2", "6", "-3", "3.0"]),
        ({"type": "number", "exclusiveMinimum": 2, "maximum": 5}, ["2.1", "5"], ["2", "2.0", "5.1", "2e5"]),
        ({"type": "array", "items": INTEGER, "minItems": 1, "maxItems": 2}, ["[1]", "[1, 2]"], ["[]", "[1, 2, 3]"]),
        ({"type": "array", "minItems": 2}, ['[1, "a"]'], ["[1]"]),
        ({"type": "array", "prefixItems": [INTEGER, {"type": "null"}], "maxItems": 1}, ["[1]"], ["[1, null]", "[null]"]),
        ({"type": "array", "items": False}, ["[]"], ["[1]"]),
        ({"properties": {"a": INTEGER, "b": INTEGER}, "required": ["b"]}, ['{"b": 1}'], ['{"a": 1}', "{}", '{"b": "x"}']),
        ({"type": "object", "properties": {"a": INTEGER}, "required": ["z"]}, ['{"a": 1, "z": []}'], ['{"a": 1}', "{}"]),
        ({"type": "object", "properties": {}}, ["{}"], ['{"a": 1}']),
        (
            {"properties": {"a": INTEGER}, "additionalProperties": {"type": "string"}},
            ['{"a": 1, "b": "x"}', '{"ab": "x"}'],
            ['{"a": "x"}', '{"a": 1, "a": "x"}', '{"\\u0061": "x"}', '{"b": 1}'],
        ),
        ({"properties": {"a": INTEGER, "b": INTEGER}, "minProperties": 1, "maxProperties": 1}, ['{"b": 1}'],
         ["{}", '{"a": 1, "b": 1}']),
        ({"type": "object", "patternProperties": {"^x\\d$": INTEGER}}, ['{"x1": 1}'], ['{"y": 1}', '{"x1": "a"}']),
        ({"propertyNames": {"pattern": "^x+$"}, "additionalProperties": INTEGER}, ['{"xx": 1}'], ['{"a": 1}']),
        ({"type": "string", "enum": ["a", 1, '"\n']}, ['"a"', '"\\"\\n"'], ["1"]),
        ({"const": "éa\\xe9"}, ['"éa\\\\xe9"'], ['"\u0e9a"']),
        ({"type": "string", "pattern": "[éa-c]b"}, ['"éb"', '"bb"'], ['"\u0e9ab"']),
        ({"const": {"b": [1, 2.5]}}, ['{"b":[1,2.5]}'], ["{}"]),
        ({"allOf": [INTEGER], "title": "One"}, ["1"], ['"a"']),
        ({"oneOf": [INTEGER, {"type": "string"}]}, ["1", '"a"'], ["null"]),
        ({"$defs": {"a/b": INTEGER}, "items": {"$ref": "#/$defs/a~1b"}, "type": "array"}, ["[1]"], ['["a"]']),
        ({"type": "array", "items": {"$ref": "#"}}, ["[[], [[]]]"], ["[1]"]),
        (True, ["1", '{"a": [null]}'], ["nul"]),
    ],
)  # fmt: skip
def test_a_keyword_that_is_let_through_is_followed(schema: Any, good: list[str], bad: list[str]) -> None:
    valid = Draft202012Validator(schema).is_valid
    for answer in good:
        assert valid(json.loads(answer))
        assert follows(schema, answer), answer
    for answer in bad:
        assert not follows(schema, answer), answer


def person(kind: str) -> dict[str, Any]:
    return {"type": "object", "properties": {"kind": {"const": kind}, "n": INTEGER}, "required": ["kind"]}


def test_branches_with_a_const_of_their_own_exclude_each_other() -> None:
    schema = {"$defs": {"cat": person("cat")}, "oneOf": [{"$ref": "#/$defs/cat"}, person("dog")]}
    assert follows(schema, '{"kind": "dog", "n": 1}')
    assert not follows(schema, '{"kind": "cow"}')


@pytest.mark.parametrize(
    ("keyword", "schema"),
    [
        ("not", {"type": "string", "not": {"const": "a"}}),
        ("if", {"type": "object", "if": {}, "then": {}}),
        ("multipleOf", {"type": "integer", "multipleOf": 2}),
        ("uniqueItems", {"type": "array", "items": INTEGER, "uniqueItems": True}),
        ("contains", {"type": "array", "contains": INTEGER}),
        ("dependentRequired", {"type": "object", "dependentRequired": {"a": ["b"]}}),
        ("nullable", {"type": "string", "nullable": True}),
        ("colour", {"type": "string", "colour": "red"}),
        ("oneOf", {"oneOf": [INTEGER, {"type": "number"}]}),
        ("allOf", {"allOf": [INTEGER, {"minimum": 3, "type": "integer"}]}),
        ("type", {"type": "object", "anyOf": [{"type": "object"}]}),
        ("minimum", {"$ref": "#/$defs/a", "minimum": 3, "$defs": {"a": INTEGER}}),
        ("maxLength", {"type": "string", "enum": ["a", "bb"], "maxLength": 1}),
        ("maxLength", {"type": "string", "pattern": "^a*$", "maxLength": 1}),
        ("maxLength", {"type": "string", "format": "uuid", "maxLength": 1}),
        ("minLength", {"minLength": 3}),
        ("format", {"type": "string", "format": "regex"}),
        ("$ref", {"$ref": "https://example.com/schema.json"}),
        ("$ref", {"$ref": "#name", "$defs": {"a": {"$anchor": "name"}}}),
        ("patternProperties", {"patternProperties": {"^a$": INTEGER}, "properties": {"a": {"type": "string"}}}),
        ("propertyNames", {"type": "object", "propertyNames": {"maxLength": 3}}),
        ("minProperties", {"type": "object", "minProperties": 2}),
        ("enum", {"enum": [12345678901234567891]}),
        ("minimum", {"type": "number", "minimum": 1e-9}),
        ("maximum", {"type": "integer", "maximum": 10**30}),
        ("unevaluatedProperties", {"type": "object", "unevaluatedProperties": INTEGER}),
    ],
)
def test_a_keyword_that_would_be_passed_over_is_refused_by_name_and_place(keyword: str, schema: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedFeature) as refusal:
        Grammar.json_schema({"type": "object", "properties": {"deep": schema}} if "$ref" not in schema else schema)
    assert f"{keyword!r}" in refusal.value.feature
    assert "$ref" in schema or "#/properties/deep" in refusal.value.feature


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"type": "colour"},
        {"type": "integer", "minimum": 5, "maximum": 2},
        {"type": "number", "exclusiveMinimum": 2, "maximum": 2},
        {"type": "array", "minItems": 5, "maxItems": 2},
        {"type": "array", "items": False, "minItems": 1},
        {"type": "string", "maxLength": 10**9},
        {"type": "object", "required": ["a"], "additionalProperties": False},
        {"type": "string", "enum": [1]},
        {"enum": []},
        {"$ref": "#/$defs/missing"},
        {"$ref": "#"},
        {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]},
    ],
)
def test_what_no_answer_fits_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidParameter):
        Grammar.json_schema(schema)


def test_lowering_is_the_same_each_time_and_refuses_each_time() -> None:
    text = json.dumps(person("cat"))
    assert lowered(text) == lowered(text)
    for _ in range(2):
        with pytest.raises(UnsupportedFeature):
            lowered('{"not": {}}')


def test_what_pydantic_writes_is_understood() -> None:
    import datetime
    import enum

    from pydantic import BaseModel, Field

    class Colour(enum.Enum):
        RED = "red"
        BLUE = "blue"

    class Leaf(BaseModel):
        colour: Colour = Colour.RED
        size: float = Field(ge=0, le=10)

    class Tree(BaseModel):
        name: str = Field(min_length=1, max_length=20, description="what it is called")
        leaves: list[Leaf] = Field(max_length=3)
        planted: datetime.date | None = None
        parent: Tree | None = None
        place: tuple[int, int]

    answer = (
        '{"name": "Oak", "leaves": [{"colour": "blue", "size": 2.5}], "planted": "2020-01-31", "parent": null, '
        '"place": [1, 2]}'
    )
    assert follows(Tree.model_json_schema(), answer)
    assert not follows(Tree.model_json_schema(), answer.replace("2.5", "20.5"))


def test_every_format_stays_within_its_lengths() -> None:
    from duihua.grammar.formats import FORMATS

    chance = random.Random(0)
    for name, form in FORMATS.items():
        rules = COMPILER.compile_grammar(ebnf_of(Grammar.json_schema({"type": "string", "format": name})))
        for _ in range(4):
            answer = walk(rules, chance)
            assert form.shortest <= len(json.loads(answer)) <= form.longest, (name, answer)


def walk(rules: xgrammar.CompiledGrammar, chance: random.Random) -> str:
    matcher, mask, answer = xgrammar.GrammarMatcher(rules), xgrammar.allocate_token_bitmask(1, 257), bytearray()
    while True:
        matcher.fill_next_token_bitmask(mask)
        may = [i for i in range(257) if int(mask[0][i // 32]) >> (i % 32) & 1]
        if END in may:
            return answer.decode()
        answer.append(chance.choice(may))
        assert matcher.accept_token(answer[-1])
