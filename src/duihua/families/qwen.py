"""Qwen: every generation speaks ChatML; only the first keeps its template and tokenizer in code."""

from __future__ import annotations

from typing import Final

from duihua.families.family import Family, ImageForm, RanksLayout
from duihua.families.generic import THINK

__all__ = ["QWEN", "QWEN2", "QWEN2_VL", "QWEN3", "QWEN3_VL"]

_STOPS: Final = ("<|im_end|>", "<|im_start|>", "<|endoftext|>")
_MARKS: Final = ("<|im_start|>",)
_EXTRA_TOKENS: Final = 205

_RANKS: Final = RanksLayout(
    file_name="qwen.tiktoken",
    pattern=(
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    special_tokens=(
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        *(f"<|extra_{number}|>" for number in range(_EXTRA_TOKENS)),
    ),
    nfc=True,
    source="https://huggingface.co/Qwen/Qwen-7B-Chat: tokenization_qwen.py",
)

_IMAGES: Final = ImageForm(
    before="<|vision_start|>",
    placeholder=("<|image_pad|>",),
    after="<|vision_end|>",
    source="https://huggingface.co/Qwen/Qwen2.5-VL-7B-Instruct, https://huggingface.co/Qwen/Qwen3-VL-8B-Instruct: "
    "chat_template.json; transformers 5, models/qwen2_vl/processing_qwen2_vl.py",
)

_REACT: Final = (
    "{{ 'Answer the question as well as you can. These tools may help:\\n\\n' }}"
    "{%- for tool in tools -%}"
    "{{ tool['function']['name'] + ': ' + (tool['function']['description'] or '') }}"
    "{{ ' Parameters: ' + (tool['function']['parameters'] or {}) | tojson + '\\n\\n' }}"
    "{%- endfor -%}"
    "{{ 'Write line by line:\\n\\nQuestion: what you are asked\\n' }}"
    "{{ 'Thought: what to do next, and why\\nAction: one of [' }}"
    "{%- for tool in tools -%}{{ ', ' if not loop.first }}{{ tool['function']['name'] }}{%- endfor -%}"
    "{{ ']\\nAction Input: its parameters as a JSON object\\nObservation: what it gave\\n' }}"
    "{{ '... (Thought, Action, Action Input and Observation may come again)\\n' }}"
    "{{ 'Thought: I now know the final answer\\nFinal Answer: the answer to the question\\n\\n' }}"
    "{{ 'Begin!\\n\\nQuestion: ' }}"
)
_ANSWER: Final = (
    "{%- if message['tool_calls'] -%}"
    "{{ 'Thought: ' + (message['reasoning_content'] or message['content']) }}"
    "{%- for call in message['tool_calls'] -%}"
    "{%- set arguments = call['function']['arguments'] -%}"
    "{{ '\\nAction: ' + call['function']['name'] + '\\nAction Input: ' }}"
    "{{ arguments if arguments is string else arguments | tojson }}"
    "{%- endfor -%}"
    "{%- elif tools -%}"
    "{{ 'Thought: ' + (message['reasoning_content'] or 'I now know the final answer') }}"
    "{{ '\\nFinal Answer: ' + message['content'] }}"
    "{%- else -%}{{ message['content'] }}{%- endif -%}"
)
_CHAT_TEMPLATE: Final = (
    "{%- if messages[0]['role'] != 'system' -%}"
    "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}"
    "{%- endif -%}"
    "{%- set asked = namespace(last=-1) -%}"
    "{%- for message in messages if message['role'] == 'user' -%}{%- set asked.last = loop.length -%}{%- endfor -%}"
    "{%- set seen = namespace(users=0) -%}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'tool' -%}{{ '\\nObservation: ' + message['content'] }}"
    "{%- else -%}"
    "{%- set goes_on = message['role'] == 'assistant' and not loop.first and loop.previtem['role'] == 'tool' -%}"
    "{{ '\\n' if goes_on else '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- if message['role'] == 'user' -%}{%- set seen.users = seen.users + 1 -%}{%- endif -%}"
    "{%- if tools and message['role'] == 'user' and seen.users == asked.last -%}" + _REACT + "{%- endif -%}"
    "{%- if message['role'] == 'assistant' -%}" + _ANSWER + "{%- else -%}{{ message['content'] }}{%- endif -%}"
    "{%- endif -%}"
    "{%- if loop.last or loop.nextitem['role'] != 'tool' -%}"
    "{%- if message['role'] != 'tool' -%}"
    "{{ '<|im_end|>' + ('\\n' if not loop.last or add_generation_prompt else '') }}"
    "{%- elif loop.last -%}{{ '\\n' if add_generation_prompt else '' }}"
    "{%- elif loop.nextitem['role'] != 'assistant' -%}{{ '<|im_end|>\\n' }}"
    "{%- endif -%}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt and messages[-1]['role'] != 'tool' -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)

QWEN: Final = Family(
    name="qwen",
    title="Qwen (first generation)",
    model_types=("qwen",),
    stop_literals=_STOPS,
    template_marks=_MARKS,
    tool_format="react",
    chat_template=_CHAT_TEMPLATE,
    chat_names=("chat",),
    ranks=_RANKS,
    source="https://huggingface.co/Qwen/Qwen-7B-Chat: qwen_generation_utils.py, make_context; tools: "
    "https://github.com/QwenLM/Qwen: openai_api.py, parse_messages",
)

QWEN2: Final = Family(
    name="qwen2",
    title="Qwen2",
    model_types=("qwen2", "qwen2_moe"),
    stop_literals=_STOPS,
    template_marks=_MARKS,
    source="https://huggingface.co/Qwen/Qwen2.5-7B-Instruct",
)

QWEN2_VL: Final = Family(
    name="qwen2_vl",
    title="Qwen2-VL",
    model_types=("qwen2_vl", "qwen2_5_vl"),
    stop_literals=_STOPS,
    template_marks=_MARKS,
    image_form=_IMAGES,
    source="https://huggingface.co/Qwen/Qwen2.5-VL-7B-Instruct",
)

QWEN3: Final = Family(
    name="qwen3",
    title="Qwen3",
    model_types=("qwen3", "qwen3_moe", "qwen3_next", "qwen3_5_text", "qwen3_5_moe_text"),
    stop_literals=_STOPS,
    template_marks=_MARKS,
    reasoning=THINK,
    source="https://huggingface.co/Qwen/Qwen3-8B",
)

QWEN3_VL: Final = Family(
    name="qwen3_vl",
    title="Qwen3-VL",
    model_types=("qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"),
    stop_literals=_STOPS,
    template_marks=_MARKS,
    reasoning=THINK,
    image_form=_IMAGES,
    source="https://huggingface.co/Qwen/Qwen3-VL-8B-Instruct",
)
