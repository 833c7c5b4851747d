from __future__ import annotations

import re

import pytest

from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.grammar.patterns import check_regex, json_pattern


@pytest.mark.parametrize(
    "pattern", ["a+?b", r"^\d{3}-\w+$", "(?:a|b)*", "(?P<x>a)", r"[^\s@]+\.[a-z]{2,}", "[一-龥]+", r"\$\{\}", ""]
)
def test_plain_expressions_are_taken(pattern: str) -> None:
    check_regex(pattern)
    assert re.compile(json_pattern(pattern))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(".", '"'), (".", "\n"), ("[^a]", "\\"), (r"\S", "\u3000"), (r"[^\s]", "\u00a0"), ("[!-~]", '"'), (r"\s", "\n")],
)
def test_a_pattern_in_json_takes_no_character_that_json_escapes_nor_white_space_of_some_dialect(
    pattern: str, text: str
) -> None:
    assert not re.fullmatch(json_pattern(pattern), text)


@pytest.mark.parametrize("pattern", ["a*", "(ab)?", "[+-]?", "x{2,3}", "^a|b$", "[a-c]+?"])
def test_a_pattern_in_json_means_what_it_says(pattern: str) -> None:
    for text in ("", "a", "ab", "+", "xx", "xxxx", "b", "abc"):
        assert bool(re.fullmatch(json_pattern(pattern), text)) == bool(re.fullmatch(pattern, text))


@pytest.mark.parametrize("pattern", ['"', "\\\\", "[\"']", r"\n", r"\x22", r"\u005c", r"\W", r"[^\d]", "[ -`]"])
def test_quotes_and_what_dialects_read_differently_are_refused_in_json(pattern: str) -> None:
    with pytest.raises(UnsupportedFeature):
        json_pattern(pattern)


@pytest.mark.parametrize("pattern", ["(", ")", "[", "a{,3}", "x{1001}"])
def test_what_is_no_expression_or_too_large_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidParameter):
        check_regex(pattern)
