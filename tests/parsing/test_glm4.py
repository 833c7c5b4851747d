"""GLM-4's calls, in the shapes of its README, its template and ms-swift's reader."""

from __future__ import annotations

import pytest

from duihua.parsing.glm4 import GLM4
from parsing.reading import Answer, call, check, check_single, say

TOKENS = ("<|assistant|>", "<|observation|>", "<|user|>")

ANSWERS = [
    Answer("words", "\n你好！", [say("\n你好！")]),
    Answer("one call", 'get_weather\n{"city": "北京"}', [*call("get_weather", '{"city": "北京"}')]),
    Answer("a line break first", '\nget_weather\n{"city": "北京"}', [*call("get_weather", '{"city": "北京"}')]),
    Answer("no arguments", "get_time\n{}", [*call("get_time", "{}")]),
    Answer(
        "two calls",
        'get_weather\n{"city": "a"}<|assistant|>get_weather\n{"city": "b"}',
        [*call("get_weather", '{"city": "a"}'), *call("get_weather", '{"city": "b"}')],
    ),
    Answer(
        "two calls without a token between",
        'get_weather\n{"city": "a"}\nget_time\n{}',
        [*call("get_weather", '{"city": "a"}'), *call("get_time", "{}")],
    ),
    Answer(
        "words, then a call",
        '\n我查一下。\n<|assistant|>get_weather\n{"city": "北京"}',
        [say("\n我查一下。"), *call("get_weather", '{"city": "北京"}')],
    ),
    Answer("a call, then words", "get_time\n{}<|assistant|>\n好了。", [*call("get_time", "{}"), say("好了。")]),
    Answer("no tool's name", 'get_news\n{"a": 1}', [say('get_news\n{"a": 1}')]),
    Answer("a name in a sentence", "get_weather 是一个工具。", [say("get_weather 是一个工具。")]),
    Answer("a name alone", "get_weather", [say("get_weather")]),
    Answer("a name and a sentence", "get_weather\n是一个工具。", [say("get_weather\n是一个工具。")]),
    Answer(
        "a call quoted further on",
        'Write:\nget_weather\n{"city": "a"}',
        [say('Write:\nget_weather\n{"city": "a"}')],
    ),
    Answer(
        "a Python dictionary",
        "get_weather\n{'city': '北京', 'metric': True}",
        [*call("get_weather", '{"city": "北京", "metric": true}')],
    ),
    Answer(
        "arguments that never end",
        'get_weather\n{"city": "北京"',
        [("begin", "get_weather"), ("arguments", '{"city": "北京"'), say('get_weather\n{"city": "北京"')],
    ),
    Answer("half a call", 'get_weather\n{"ci', [("begin", "get_weather"), ("arguments", '{"ci')], is_whole=False),
    Answer("half a name", "get_wea", [say("get_wea")], is_whole=False),
    Answer("raw code", "python\nprint(1)\nprint('二')\n", [*call("python", '{"code": "print(1)\\nprint(\'二\')"}')]),
    Answer("code that is a set", "python\n{1, 2}", [*call("python", '{"code": "{1, 2}"}')]),
    Answer("code as arguments", 'python\n{"code": "1 + 1"}', [*call("python", '{"code": "1 + 1"}')]),
    Answer(
        "the browser",
        'simple_browser\nsearch("对话", recency_days=30)',
        [*call("simple_browser", '{"command": "search(\\"对话\\", recency_days=30)"}')],
    ),
    Answer("a picture", "cogview\nA red fox", [*call("cogview", '{"prompt": "A red fox"}')]),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=Answer.__str__)
def test_an_answer_is_read_however_its_text_is_cut(answer: Answer) -> None:
    check(GLM4, TOKENS, answer)


def test_where_one_call_is_wanted_the_answer_ends_with_it() -> None:
    check_single(GLM4, TOKENS, "get_time\n{}<|assistant|>get_time\n{}")
