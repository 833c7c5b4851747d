"""The first Qwen's calls, in the shapes of its openai_api.py."""

from __future__ import annotations

import pytest

from duihua.parsing.react import REACT
from parsing.reading import Answer, call, check, say

TOKENS = ()

ANSWERS = [
    Answer("words", "你好！", [say("你好！")]),
    Answer(
        "one call",
        'Thought: I should look.\nAction: get_weather\nAction Input: {"city": "北京"}\nObservation: 20 degrees',
        [("think", "I should look."), *call("get_weather", '{"city": "北京"}')],
    ),
    Answer(
        "the end instead of an observation",
        'Thought: a\nb\n\nAction: get_weather\nAction Input: {"city": "北京"}',
        [("think", "a\nb"), *call("get_weather", '{"city": "北京"}')],
    ),
    Answer("no thought", "Action: get_time\nAction Input: {}\nObservation:", [*call("get_time", "{}")]),
    Answer(
        "raw code",
        "Thought: x\nAction: python\nAction Input: print('Action:')\nprint(2)\n\nObservation:",
        [("think", "x"), *call("python", '{"code": "print(\'Action:\')\\nprint(2)"}')],
    ),
    Answer(
        "the answer",
        "Thought: I now know the final answer.\nFinal Answer: It is warm.\nVery.",
        [("think", "I now know the final answer."), say("It is warm.\nVery.")],
    ),
    Answer(
        "no tool's name",
        "Thought: x\nAction: fly\nAction Input: {}",
        [("think", "x"), say("\nAction: fly\nAction Input: {}")],
    ),
    Answer("an action without input", "Thought: x\nAction: get_time", [("think", "x"), say("\nAction: get_time")]),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=Answer.__str__)
def test_an_answer_is_read_however_its_text_is_cut(answer: Answer) -> None:
    check(REACT, TOKENS, answer)
