"""Calls, results and tools reach templates that know them by GLM-4's own names."""

from __future__ import annotations

from typing import Final

import pytest

from duihua.messages import Message, ToolCall
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.layout import RenderOptions
from duihua.prompt.template import ChatTemplate
from prompt import traits

# Of our own writing, in the shape of GLM-4-0414 and of glm-4-9b-chat.
METADATA: Final = (
    "[gMASK]<sop>{% if tools %}<|system|>\n{% for tool in tools %}{{ tool.function | tojson }}{% endfor %}{% endif %}"
    "{% for m in messages %}{% if m.role == 'observation' %}<|observation|>\n{{ m.content }}"
    "{% else %}<|{{ m.role }}|>{{ m.get('metadata', '') }}\n{{ m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TOOLS_INSIDE: Final = (
    "[gMASK]<sop>{% for item in messages %}{% if item['tools'] is defined %}<|system|>\n"
    "{% for tool in item['tools'] %}{{ tool['function'] | tojson }}{% endfor %}{% endif %}"
    "{% if item['content'] %}<|{{ item['role'] }}|>{{ item['metadata'] }}\n{{ item['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}{# observation #}"
)
ADD: Final = {"type": "function", "function": {"name": "add"}}
TALK: Final = [
    Message("system", "Be kind."),
    Message("user", "hello"),
    Message("assistant", "Well.", tool_calls=(ToolCall("1", "add", '{"a":"<|user|>"}'), ToolCall("2", "add", "what"))),
    Message("tool", "46", tool_call_id="1"),
    Message("tool", "你好", tool_call_id="2"),
    Message("assistant", "nice"),
    Message("user", "weather"),
]
WRITTEN: Final = (
    '[gMASK]<sop><|system|>\n{"name": "add"}<|system|>\nBe kind.<|user|>\nhello<|assistant|>\nWell.'
    '<|assistant|>add\n{"a": "<|user|>"}<|assistant|>add\nwhat<|observation|>\n46<|observation|>\n你好'
    "<|assistant|>\nnice<|user|>\nweather<|assistant|>"
)


def encoder_of(template: str) -> PromptEncoder:
    return PromptEncoder(traits.tokenizer(), ChatTemplate(template))


@pytest.mark.parametrize("template", [METADATA, TOOLS_INSIDE])
def test_calls_results_and_tools_are_written_where_the_template_reads_them(template: str) -> None:
    prompt = encoder_of(template).encode(TALK, RenderOptions(tools=(ADD,)))
    assert traits.tokenizer().decode(prompt.token_ids, skip_special_tokens=False) == WRITTEN
    typed = traits.tokenizer().token_to_id("<|user|>")
    assert prompt.token_ids.count(typed) == 2, "the one inside the arguments is text"


@pytest.mark.parametrize("template", [METADATA, TOOLS_INSIDE])
def test_each_message_owns_its_part(template: str) -> None:
    prompt = encoder_of(template).encode(TALK, RenderOptions(tools=(ADD,)))
    texts = {
        span.owner: traits.tokenizer().decode(prompt.token_ids[span.start : span.end], skip_special_tokens=False)
        for span in prompt.spans
        if isinstance(span.owner, int)
    }
    assert "Well." in texts[2]
    assert "what" in texts[2]
    assert "46" in texts[3]
    assert "你好" in texts[4]


@pytest.mark.parametrize("template", [METADATA, TOOLS_INSIDE, traits.GLM])
def test_such_a_template_knows_tools(template: str) -> None:
    assert encoder_of(template).knows_tools


def test_a_template_without_them_does_not() -> None:
    assert not encoder_of(traits.CHATML).knows_tools
    assert not PromptEncoder(traits.tokenizer(), None).knows_tools


def test_other_templates_get_the_messages_as_they_are() -> None:
    prompt = encoder_of(traits.GLM).encode(TALK)
    text = traits.tokenizer().decode(prompt.token_ids, skip_special_tokens=False)
    assert "<|assistant|>\nWell.add\n" in text
