"""Qwen3-Coder's calls, in the shapes of its template and of vLLM's tests."""

from __future__ import annotations

import pytest

from duihua.parsing.qwen_coder import QWEN_CODER
from parsing.reading import Answer, call, check, check_single, read, say

TOKENS = ("<tool_call>", "</tool_call>", "<think>", "</think>")

ANSWERS = [
    Answer("words", "if a <parameter=b: pass", [say("if a <parameter=b: pass")]),
    Answer(
        "one call",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nDallas\n</parameter>\n<parameter=days>\n3\n"
        "</parameter>\n</function>\n</tool_call>",
        [*call("get_weather", '{"city": "Dallas", "days": 3}')],
    ),
    Answer(
        "words before, two calls",
        "Sure!\n\n<tool_call>\n<function=get_time>\n</function>\n</tool_call>\n<tool_call>\n<function=get_time>\n"
        "</function>\n</tool_call>",
        [say("Sure!"), *call("get_time", "{}"), *call("get_time", "{}")],
    ),
    Answer(
        "code with line breaks and tags of its own",
        "<tool_call>\n<function=python>\n<parameter=code>\n\nif a < b:\n    print('<b>')\n\n</parameter>\n</function>\n"
        "</tool_call>",
        [*call("python", '{"code": "\\nif a < b:\\n    print(\'<b>\')\\n"}')],
    ),
    Answer(
        "an object over two lines, and a Python one",
        '<tool_call>\n<function=search>\n<parameter=options>\n{"a": 1,\n "b": 2}\n</parameter>\n<parameter=limit>\n'
        "None\n</parameter>\n</function>\n</tool_call>",
        [*call("search", '{"options": {"a": 1,\n "b": 2}, "limit": null}')],
    ),
    Answer(
        "a Python object",
        "<tool_call>\n<function=search>\n<parameter=options>\n{'a': True}\n</parameter>\n</function>\n</tool_call>",
        [*call("search", '{"options": {"a": true}}')],
    ),
    Answer(
        "closing tags left out",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nDallas\n<parameter=days>\n3\n</tool_call>",
        [*call("get_weather", '{"city": "Dallas", "days": 3}')],
    ),
    Answer(
        "arguments in JSON, as forced calls have them",
        '<tool_call>\n<function=get_weather>\n{"city": "Dallas"}\n</function>\n</tool_call>',
        [*call("get_weather", '{"city": "Dallas"}')],
    ),
    Answer(
        "a function outside a call is words",
        "<function=get_time>\n</function>",
        [say("<function=get_time>\n</function>")],
    ),
    Answer(
        "words where a parameter belongs",
        "<tool_call>\n<function=get_time>\nnow\n</function>\n</tool_call>",
        [("begin", "get_time"), say("<tool_call>\n<function=get_time>\nnow\n</function>\n</tool_call>")],
    ),
    Answer(
        "half a value",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nDal",
        [("begin", "get_weather"), ("arguments", '{"city": "Dal')],
        is_whole=False,
    ),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=Answer.__str__)
def test_an_answer_is_read_however_its_text_is_cut(answer: Answer) -> None:
    check(QWEN_CODER, TOKENS, answer)


def test_where_one_call_is_wanted_the_answer_ends_with_it() -> None:
    check_single(QWEN_CODER, TOKENS, ANSWERS[2].text.removeprefix("Sure!"))


def test_a_tag_that_is_a_token_opens_nothing_in_letters() -> None:
    for answer in ANSWERS:
        text = answer.text.replace("<think>", "").replace("</think>", "")
        assert read(QWEN_CODER, [(text, None)], tokens=TOKENS) == [say(text)]
