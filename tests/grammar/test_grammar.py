from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from duihua.errors import InvalidParameter, RequestError, UnsupportedFeature
from duihua.grammar import Grammar


def test_a_grammar_survives_msgpack_and_is_checked_again() -> None:
    grammar = Grammar.json_schema({"type": "integer"})
    packed = msgspec.msgpack.encode(grammar)
    assert msgspec.msgpack.decode(packed, type=Grammar) == grammar
    with pytest.raises((RequestError, msgspec.ValidationError)):
        msgspec.msgpack.decode(msgspec.msgpack.encode({"kind": "json_schema", "text": '{"not": {}}'}), type=Grammar)


def test_choices_are_told() -> None:
    assert Grammar.choice(["yes", '"no"\n']).choices == ("yes", '"no"\n')


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("choice", "[]"),
        ("choice", '[""]'),
        ("choice", "[1]"),
        ("choice", "yes"),
        ("ebnf", "start: 'a'"),
        ("ebnf", 'start ::= "a"'),
        ("ebnf", 'root ::= "a"\n' + "[" * 60_000),  # each bracket would be followed to the end
        ("ebnf", 'root ::= "a\nb ::= [c]'),
        ("regex", "(a"),
        ("regex", "a{,3}"),
        ("regex", "[a-z]{1,2000}"),
        ("json_schema", "{"),
        ("json_schema", "[]"),
        ("json_schema", '{"minimum": NaN, "type": "number"}'),
        ("json_schema", json.dumps({"enum": ["x" * 70_000]})),
        ("json_schema", '{"items":' * 40 + "{}" + "}" * 40),
        ("json_schema", '{"items":' * 20_000 + "{}" + "}" * 20_000),
        ("yaml", "a: 1"),
    ],
)
def test_what_is_no_grammar_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(InvalidParameter):
        Grammar(kind, text)


@pytest.mark.parametrize(
    ("grammar", "named"),
    [
        (lambda: Grammar.regex(r"\bword\b"), r"\b"),
        (lambda: Grammar.regex("(?=a)b"), "(?="),
        (lambda: Grammar.regex("a^b"), "^"),
        (lambda: Grammar.ebnf("root ::= Token(3)"), "Token"),
        (lambda: Grammar.json_schema({"oneOf": [{"const": i} for i in range(65)]}), "oneOf"),
        (lambda: Grammar.ebnf('root ::= "a" TagDispatch(("x", y))'), "TagDispatch"),
    ],
)
def test_what_no_engine_follows_is_refused_by_name(grammar: Any, named: str) -> None:
    with pytest.raises(UnsupportedFeature) as refusal:
        grammar()
    assert named in refusal.value.feature


def test_words_that_look_like_a_refused_construct_are_text() -> None:
    assert Grammar.ebnf('root ::= "Token(3)" # Regex("x")').kind == "ebnf"
