"""Llama's calls, in the shapes of its template and of vLLM's tests."""

from __future__ import annotations

import pytest

from duihua.parsing.llama import LLAMA
from parsing.reading import Answer, call, check, check_single, say

TOKENS = ("<|python_tag|>",)

ANSWERS = [
    Answer("words", "Hello {name}.", [say("Hello {name}.")]),
    Answer(
        "one call",
        '{"name": "get_weather", "parameters": {"city": "Paris"}}',
        [*call("get_weather", '{"city": "Paris"}')],
    ),
    Answer(
        "with its type, arguments by their other name",
        '{"type": "function", "name": "get_weather", "arguments": {"city": "Paris"}}',
        [*call("get_weather", '{"city": "Paris"}')],
    ),
    Answer(
        "several",
        '{"name": "get_time", "parameters": {}}; {"name": "get_weather", "parameters": {"city": "a"}} ;\n'
        '{"name": "get_time", "parameters": {}}',
        [*call("get_time", "{}"), *call("get_weather", '{"city": "a"}'), *call("get_time", "{}")],
    ),
    Answer(
        "behind the tag",
        'Well.\n<|python_tag|>{"name": "get_time", "parameters": {}}',
        [say("Well."), *call("get_time", "{}")],
    ),
    Answer(
        "words behind it",
        '{"name": "get_time", "parameters": {}} That was {it}.',
        [*call("get_time", "{}"), say("That was {it}.")],
    ),
    Answer("JSON that is the answer", '{"city": "Paris", "name": "x"}', [say('{"city": "Paris", "name": "x"}')]),
    Answer(
        "no tool's name",
        '{"name": "get_news", "parameters": {}}',
        [say('{"name": "get_news", "parameters": {}}')],
    ),
    Answer("no parameters", '{"name": "get_time"}', [say('{"name": "get_time"}')]),
    Answer("no name", '{"parameters": {}}', [say('{"parameters": {}}')]),
    Answer(
        "parameters that are no JSON",
        '{"name": "get_time", "parameters": {invalid json}}',
        [
            ("begin", "get_time"),
            ("arguments", "{invalid json}"),
            say('{"name": "get_time", "parameters": {invalid json}}'),
        ],
    ),
    Answer("code behind the tag", "<|python_tag|>print(1)", [say("print(1)")]),
    Answer(
        "half a call",
        '{"name": "get_weather", "parameters": {"ci',
        [("begin", "get_weather"), ("arguments", '{"ci')],
        is_whole=False,
    ),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=Answer.__str__)
def test_an_answer_is_read_however_its_text_is_cut(answer: Answer) -> None:
    check(LLAMA, TOKENS, answer)


def test_where_one_call_is_wanted_the_answer_ends_with_it() -> None:
    check_single(LLAMA, TOKENS, ANSWERS[3].text)
