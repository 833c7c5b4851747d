"""Qwen's calls in JSON, in the shapes of its templates and of vLLM's tests."""

from __future__ import annotations

import pytest

from duihua.parsing.hermes import HERMES
from parsing.reading import Answer, call, check, check_single, every_cut, pieces_of, read, say

TOKENS = ("<tool_call>", "</tool_call>", "<think>", "</think>")

ANSWERS = [
    Answer("words", "No calls here.", [say("No calls here.")]),
    Answer(
        "one call",
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "北京", "days": 2}}\n</tool_call>',
        [*call("get_weather", '{"city": "北京", "days": 2}')],
    ),
    Answer(
        "no line breaks",
        '<tool_call>{"name": "get_time","arguments": {}}</tool_call>',
        [*call("get_time", "{}")],
    ),
    Answer(
        "two calls behind words",
        'Let me see.\n<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>\n'
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "a"}}\n</tool_call>',
        [say("Let me see."), *call("get_time", "{}"), *call("get_weather", '{"city": "a"}')],
    ),
    Answer(
        "two objects between the same tags",
        '<tool_call>\n{"name": "get_time", "arguments": {}}\n{"name": "get_time", "arguments": {}}\n</tool_call>',
        [*call("get_time", "{}"), *call("get_time", "{}")],
    ),
    Answer(
        "arguments first",
        '<tool_call>\n{"arguments": {"city": "a"}, "name": "get_weather"}\n</tool_call>',
        [*call("get_weather", '{"city": "a"}')],
    ),
    Answer(
        "arguments in a string",
        '<tool_call>{"name": "get_weather", "arguments": "{\\"city\\": \\"a\\"}"}</tool_call>',
        [*call("get_weather", '{"city": "a"}')],
    ),
    Answer(
        "braces and quotes in strings",
        '<tool_call>{"name": "search", "arguments": {"query": "a } \\" ] {"}}</tool_call>',
        [*call("search", '{"query": "a } \\" ] {"}')],
    ),
    Answer("no arguments", '<tool_call>{"name": "get_time"}</tool_call>', [*call("get_time", "{}")]),
    Answer(
        "no closing tag",
        '<tool_call>\n{"name": "get_time", "arguments": {}}',
        [*call("get_time", "{}")],
    ),
    Answer(
        "a tool that is not there, which whoever runs it says",
        '<tool_call>{"name": "get_news", "arguments": {}}</tool_call>',
        [*call("get_news", "{}")],
    ),
    Answer("no JSON", "<tool_call>\nget_time()\n</tool_call>", [say("<tool_call>\nget_time()\n</tool_call>")]),
    Answer(
        "arguments that are no object",
        '<tool_call>{"name": "get_time", "arguments": "now"}</tool_call>',
        [
            ("begin", "get_time"),
            ("arguments", "now"),
            say('<tool_call>{"name": "get_time", "arguments": "now"}</tool_call>'),
        ],
    ),
    Answer(
        "an object that does not end",
        '<tool_call>{"name": "get_time", "arguments": {}</tool_call>',
        [
            ("begin", "get_time"),
            ("arguments", "{}"),
            say('<tool_call>{"name": "get_time", "arguments": {}</tool_call>'),
        ],
    ),
    Answer("a closing tag alone", "a</tool_call>b", [say("a</tool_call>b")]),
    Answer(
        "thinking, then a call",
        '<think>\nhm\n</think>\n\n<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>',
        [("think", "hm"), *call("get_time", "{}")],
    ),
    Answer("half a name", '<tool_call>\n{"name": "get_', [say('<tool_call>\n{"name": "get_')], is_whole=False),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=Answer.__str__)
def test_an_answer_is_read_however_its_text_is_cut(answer: Answer) -> None:
    check(HERMES, TOKENS, answer)


def test_where_one_call_is_wanted_the_answer_ends_with_it() -> None:
    check_single(HERMES, TOKENS, ANSWERS[4].text)


def test_a_tag_that_is_a_token_opens_nothing_in_letters() -> None:
    for answer in ANSWERS:
        text = answer.text.replace("<think>", "").replace("</think>", "")
        assert read(HERMES, [(text, None)], tokens=TOKENS) == [say(text)]


def test_a_tag_that_is_no_token_is_found_in_letters() -> None:
    for answer in ANSWERS:
        if "<think>" not in answer.text:
            check(HERMES, (), answer)


def test_a_call_inside_thinking_ends_it() -> None:
    text = 'hm\n<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>'
    for cut in every_cut(pieces_of(text, TOKENS)):
        assert read(HERMES, cut, tokens=TOKENS, thinking=True) == [("think", "hm"), *call("get_time", "{}")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("use <tool_call>\n\nor not</think>\n\nNo.", [("think", "use <tool_call>\n\nor not"), say("No.")]),
        ("use <tool_call>\n</think>No.", [("think", "use <tool_call>"), say("No.")]),
        ('use <tool_call>{"na', [("think", 'use <tool_call>{"na')]),
        ("<tool_call></tool_call></think>No.", [("think", "<tool_call></tool_call>"), say("No.")]),
    ],
)
def test_a_tag_that_thinking_only_mentions_is_thinking(text: str, found: list[tuple[str, ...]]) -> None:
    for cut in every_cut(pieces_of(text, TOKENS)):
        assert read(HERMES, cut, tokens=TOKENS, thinking=True) == found
        assert read(HERMES, cut, tokens=TOKENS, thinking=True, is_whole=False) == found
