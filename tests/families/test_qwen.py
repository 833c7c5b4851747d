"""Prompts of our own template for the first Qwen. Compared with the published code: see docs/models.md."""

from typing import Any

import pytest

from duihua.families.qwen import QWEN
from duihua.prompt.template import ChatTemplate

SYSTEM = {"role": "system", "content": "你是小林。"}
USER = {"role": "user", "content": "1 < 2?"}
ANSWER = {"role": "assistant", "content": " Yes.\n"}
DEFAULT = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
ASKED = "<|im_start|>user\n1 < 2?<|im_end|>\n"
ANSWERED = "<|im_start|>assistant\n Yes.\n<|im_end|>\n"
OPEN = "<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        ([USER], DEFAULT + ASKED + OPEN),
        ([SYSTEM, USER], "<|im_start|>system\n你是小林。<|im_end|>\n" + ASKED + OPEN),
        ([{"role": "system", "content": ""}, USER], "<|im_start|>system\n<|im_end|>\n" + ASKED + OPEN),
        ([USER, ANSWER, USER], DEFAULT + ASKED + ANSWERED + ASKED + OPEN),
    ],
    ids=["one turn", "system", "empty system", "turns"],
)
def test_the_prompt_is_the_published_one(messages: list[dict[str, Any]], prompt: str) -> None:
    assert QWEN.chat_template is not None
    assert ChatTemplate(QWEN.chat_template).render(messages) == prompt


ADD = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}}
CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
CALLING = {"role": "assistant", "content": "", "reasoning_content": "I add.", "tool_calls": [CALL]}
RESULT = {"role": "tool", "content": "2"}
LINES = 'Thought: I add.\nAction: add\nAction Input: {"a": 1}\nObservation: 2'


def react(messages: list[dict[str, Any]], *, generation_prompt: bool = True) -> str:
    assert QWEN.chat_template is not None
    return ChatTemplate(QWEN.chat_template).render(messages, tools=[ADD], generation_prompt=generation_prompt)


def test_tools_are_told_before_the_last_question_line_by_line() -> None:
    told = react([USER, ANSWER, USER])
    assert told.startswith(
        DEFAULT + ASKED + "<|im_start|>assistant\nThought: I now know the final answer\nFinal Answer:"
    )
    assert '\nadd: Adds. Parameters: {"type": "object"}\n' in told
    assert "Action: one of [add]\nAction Input: " in told
    assert told.endswith("\n\nQuestion: 1 < 2?<|im_end|>\n" + OPEN)


def test_calls_and_results_are_one_turn_that_goes_on() -> None:
    assert react([USER, CALLING, RESULT]).endswith("<|im_end|>\n" + OPEN + LINES + "\n")
    assert react([USER, CALLING, RESULT, CALLING, RESULT]).endswith(OPEN + LINES + "\n" + LINES + "\n")
    answered = react([USER, CALLING, RESULT, ANSWER, USER])
    assert OPEN + LINES + "\nThought: I now know the final answer\nFinal Answer:  Yes.\n<|im_end|>\n" in answered
    assert react([USER, CALLING, RESULT, USER]).count("Observation: 2<|im_end|>\n<|im_start|>user\n") == 1


def test_the_special_tokens_follow_151643_ranks_in_the_published_order() -> None:
    assert QWEN.ranks is not None
    ids = {token: 151643 + place for place, token in enumerate(QWEN.ranks.special_tokens)}
    assert (ids["<|endoftext|>"], ids["<|im_start|>"], ids["<|im_end|>"]) == (151643, 151644, 151645)
    assert (ids["<|extra_0|>"], ids["<|extra_204|>"], len(ids)) == (151646, 151850, 208)
