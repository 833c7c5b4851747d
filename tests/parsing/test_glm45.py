"""GLM-4.5's calls, in the shapes of its templates and of vLLM's tests."""

from __future__ import annotations

import pytest

from duihua.parsing.glm45 import GLM45
from parsing.reading import Answer, call, check, check_single, every_cut, pieces_of, read, say

TOKENS = (
    "<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "<think>", "</think>",
)  # fmt: skip

ANSWERS = [
    Answer("words", "Hello.\n", [say("Hello.\n")]),
    Answer(
        "one call",
        "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Dallas</arg_value>\n</tool_call>",
        [*call("get_weather", '{"city": "Dallas"}')],
    ),
    Answer(
        "no line breaks, as GLM-4.7 writes",
        "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Dallas</arg_value></tool_call>",
        [*call("get_weather", '{"city": "Dallas"}')],
    ),
    Answer(
        "types of the schema",
        "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>12</arg_value>\n<arg_key>days</arg_key>\n"
        "<arg_value>12</arg_value>\n<arg_key>metric</arg_key>\n<arg_value>True</arg_value>\n</tool_call>",
        [*call("get_weather", '{"city": "12", "days": 12, "metric": true}')],
    ),
    Answer(
        "an object, and nothing",
        '<tool_call>search\n<arg_key>options</arg_key>\n<arg_value>{"a": [1, "二"]}</arg_value>\n'
        "<arg_key>limit</arg_key>\n<arg_value>null</arg_value>\n</tool_call>",
        [*call("search", '{"options": {"a": [1, "二"]}, "limit": null}')],
    ),
    Answer(
        "quotes, line breaks and blanks in a string",
        '<tool_call>search<arg_key>query</arg_key><arg_value> say "hi"\n\\o/ </arg_value></tool_call>',
        [*call("search", '{"query": " say \\"hi\\"\\n\\\\o/ "}')],
    ),
    Answer("no arguments", "<tool_call>get_time\n</tool_call>", [*call("get_time", "{}")]),
    Answer("no arguments and no line break", "<tool_call>get_time</tool_call>", [*call("get_time", "{}")]),
    Answer(
        "words around calls",
        "One moment.\n\n<tool_call>get_time</tool_call>\n\nAnd:\n<tool_call>get_time</tool_call>\n",
        [say("One moment."), *call("get_time", "{}"), say("And:"), *call("get_time", "{}")],
    ),
    Answer(
        "thinking first",
        "<think>hm</think>\n\nYes.<tool_call>get_time</tool_call>",
        [("think", "hm"), say("Yes."), *call("get_time", "{}")],
    ),
    Answer(
        "arguments in JSON, as forced calls have them",
        '<tool_call>get_weather\n{"city": "Dallas"}\n</tool_call>',
        [*call("get_weather", '{"city": "Dallas"}')],
    ),
    Answer(
        "a parameter nobody declared",
        "<tool_call>get_time\n<arg_key>zone</arg_key>\n<arg_value>UTC</arg_value>\n<arg_key>at</arg_key>\n"
        "<arg_value>[1]</arg_value>\n</tool_call>",
        [*call("get_time", '{"zone": "UTC", "at": [1]}')],
    ),
    Answer(
        "a key that does not end",
        "<tool_call>get_weather\n<arg_key>city\n<arg_value>x</arg_value>\n</tool_call>",
        [
            ("begin", "get_weather"),
            say("<tool_call>get_weather\n<arg_key>city\n<arg_value>x</arg_value>\n</tool_call>"),
        ],
    ),
    Answer(
        "a call that does not end",
        "<tool_call>get_time\n",
        [("begin", "get_time"), say("<tool_call>get_time\n")],
    ),
    Answer("a name without end", "<tool_call>" + "a" * 300, [say("<tool_call>" + "a" * 300)]),
    Answer("a value without a name", "<tool_call><arg_value>x", [say("<tool_call><arg_value>x")]),
    Answer("a name of two words", "<tool_call>get the time</tool_call>", [say("<tool_call>get the time</tool_call>")]),
    Answer("no name", "<tool_call></tool_call>", [say("<tool_call></tool_call>")]),
    Answer(
        "half a value",
        "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Da",
        [("begin", "get_weather"), ("arguments", '{"city": "Da')],
        is_whole=False,
    ),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=Answer.__str__)
def test_an_answer_is_read_however_its_text_is_cut(answer: Answer) -> None:
    check(GLM45, TOKENS, answer)


def test_where_one_call_is_wanted_the_answer_ends_with_it() -> None:
    check_single(GLM45, TOKENS, "<tool_call>get_time</tool_call>\n<tool_call>get_time</tool_call>")


def test_a_tag_that_is_a_token_opens_nothing_in_letters() -> None:
    for answer in ANSWERS:
        text = answer.text.replace("<think>", "").replace("</think>", "")
        assert read(GLM45, [(text, None)], tokens=TOKENS) == [say(text)]


def test_a_call_inside_thinking_ends_it_and_a_mention_does_not() -> None:
    text = "I use <tool_call> for\nthis:<tool_call>get_time\n</tool_call>"
    found = [("think", "I use <tool_call> for\nthis:"), *call("get_time", "{}")]
    for cut in every_cut(pieces_of(text, TOKENS)):
        assert read(GLM45, cut, tokens=TOKENS, thinking=True) == found
