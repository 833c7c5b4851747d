"""A Python dictionary is as good as JSON; nothing else of Python is."""

from __future__ import annotations

import pytest

from duihua.parsing.literals import json_object_of, python_value


@pytest.mark.parametrize(
    ("text", "json"),
    [
        ("{'a': True, 'b': None}", '{"a": true, "b": null}'),
        ("{'路径': 'C:/d', 'n': 1.5}", '{"路径": "C:/d", "n": 1.5}'),
        ("{'a': {1, 2}}", "{'a': {1, 2}}"),
        ("{'a': float('nan')}", "{'a': float('nan')}"),
        ("{'a': 1e999}", "{'a': 1e999}"),
        ("[1]", "[1]"),
        ("{a: 1}", "{a: 1}"),
    ],
)
def test_only_a_dictionary_of_plain_values_becomes_json(text: str, json: str) -> None:
    assert json_object_of(text) == json


@pytest.mark.parametrize("text", ["__import__('os')", "(" * 5000, "1" * 200_000, "\0", ""])
def test_what_is_no_literal_or_too_much_has_no_value(text: str) -> None:
    assert python_value(text) is ...
