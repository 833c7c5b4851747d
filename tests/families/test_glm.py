"""Prompts of our own templates. They were compared with the published ones: see docs/models.md."""

from typing import Any

import pytest

from duihua.families import Family
from duihua.families.glm import GLM4, GLM4V
from duihua.prompt.template import ChatTemplate

SYSTEM = {"role": "system", "content": "你是小林。"}
USER = {"role": "user", "content": "1 < 2?"}
ANSWER = {"role": "assistant", "content": " Yes.\n"}
SILENT = {"role": "assistant", "content": ""}
CALL = {"name": "weather", "arguments": {"city": "北京"}}
CALLING = {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "type": "function", "function": CALL}]}
RESULT = {"role": "tool", "content": "晴"}


def rendered(family: Family, messages: list[dict[str, Any]]) -> str:
    assert family.chat_template is not None
    return ChatTemplate(family.chat_template).render(messages)


@pytest.mark.parametrize("family", [GLM4, GLM4V], ids=["glm-4-9b-chat", "glm-4v-9b"])
@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        ([USER], "[gMASK]<sop><|user|>\n1 < 2?<|assistant|>"),
        ([SYSTEM, USER], "[gMASK]<sop><|system|>\n你是小林。<|user|>\n1 < 2?<|assistant|>"),
        (
            [SYSTEM, USER, ANSWER, USER],
            "[gMASK]<sop><|system|>\n你是小林。<|user|>\n1 < 2?<|assistant|>\n Yes.\n<|user|>\n1 < 2?<|assistant|>",
        ),
        (
            [USER, CALLING, RESULT],
            '[gMASK]<sop><|user|>\n1 < 2?<|assistant|>weather\n{"city": "北京"}<|observation|>\n晴<|assistant|>',
        ),
    ],
    ids=["one turn", "system", "turns", "tool call"],
)
def test_the_prompt_is_the_published_one(family: Family, messages: list[dict[str, Any]], prompt: str) -> None:
    assert rendered(family, messages) == prompt


def test_glm4_is_told_of_tools_before_the_messages_and_glm4v_is_not() -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    told = ChatTemplate(GLM4.chat_template or "").render([SYSTEM, USER], tools=tools)
    assert told.startswith('[gMASK]<sop><|system|>\n# 可用工具\n\n## weather\n\n{\n    "name": "weather",')
    assert told.endswith("<|system|>\n你是小林。<|user|>\n1 < 2?<|assistant|>")
    assert ChatTemplate(GLM4V.chat_template or "").render([USER], tools=tools) == rendered(GLM4V, [USER])


def test_an_empty_answer_is_left_out_by_glm4_and_kept_by_glm4v() -> None:
    assert rendered(GLM4, [USER, SILENT, USER]) == "[gMASK]<sop><|user|>\n1 < 2?<|user|>\n1 < 2?<|assistant|>"
    assert rendered(GLM4V, [USER, SILENT, USER]) == (
        "[gMASK]<sop><|user|>\n1 < 2?<|assistant|>\n<|user|>\n1 < 2?<|assistant|>"
    )


def test_the_special_tokens_follow_151329_ranks_in_the_published_order() -> None:
    assert GLM4.ranks is not None
    ids = dict(zip(GLM4.ranks.special_tokens, range(151329, 151343), strict=True))
    assert (ids["<|endoftext|>"], ids["<|user|>"], ids["<|assistant|>"], ids["<|observation|>"]) == (
        151329,
        151336,
        151337,
        151338,
    )
    assert (ids["[gMASK]"], ids["<sop>"], ids["<|begin_of_image|>"]) == (151331, 151333, 151339)


def test_glm4v_writes_a_picture_as_its_begin_pad_and_end() -> None:
    parts = [{"type": "text", "text": "这是"}, {"type": "image"}, {"type": "text", "text": "什么？"}]
    assert rendered(GLM4V, [SYSTEM, {"role": "user", "content": parts}]) == (
        "[gMASK]<sop><|system|>\n你是小林。<|user|>\n这是<|begin_of_image|><|endoftext|><|end_of_image|>什么？<|assistant|>"
    )
