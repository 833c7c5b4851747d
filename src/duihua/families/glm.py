"""GLM-4 and what came after it: text and pictures, dense and mixture of experts."""

from __future__ import annotations

from typing import Final

from duihua.families.family import Family, ImageForm, RanksLayout
from duihua.families.generic import THINK

__all__ = ["GLM4", "GLM4V", "GLM41V", "GLM45", "GLM45V"]

_STOPS: Final = ("<|user|>", "<|observation|>", "<|endoftext|>")
_MARKS: Final = ("[gMASK]", "<|assistant|>")

_RANKS: Final = RanksLayout(
    file_name="tokenizer.model",
    pattern=(
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    special_tokens=(
        "<|endoftext|>",
        "[MASK]",
        "[gMASK]",
        "[sMASK]",
        "<sop>",
        "<eop>",
        "<|system|>",
        "<|user|>",
        "<|assistant|>",
        "<|observation|>",
        "<|begin_of_image|>",
        "<|end_of_image|>",
        "<|begin_of_video|>",
        "<|end_of_video|>",
    ),
    source="https://huggingface.co/zai-org/glm-4-9b-chat: tokenization_chatglm.py, tokenizer_config.json",
)


_IMAGES: Final = ImageForm(
    before="<|begin_of_image|>",
    placeholder=("<|image|>",),
    after="<|end_of_image|>",
    source="https://huggingface.co/zai-org/GLM-4.1V-9B-Thinking: chat_template.jinja; transformers 5, "
    "models/glm4v/processing_glm4v.py",
)
_FIRST_IMAGES: Final = ImageForm(
    placeholder=("<|begin_of_image|>", "<|endoftext|>", "<|end_of_image|>"),
    has_fixed_size=True,
    source="https://huggingface.co/zai-org/glm-4v-9b: tokenization_chatglm.py, build_single_message; config.json, "
    "boi_token_id, pad_token_id, eoi_token_id",
)
_WORDS: Final = "{{ '<|' + role + '|>\\n' + message['content'] }}"
_PARTS: Final = (
    "{{ '<|' + role + '|>\\n' }}"
    "{%- if message['content'] is string -%}{{ message['content'] }}"
    "{%- else -%}"
    "{%- for part in message['content'] -%}"
    "{{ '<|begin_of_image|><|endoftext|><|end_of_image|>' if part['type'] == 'image' else part['text'] }}"
    "{%- endfor -%}"
    "{%- endif -%}"
)


_TOOLS: Final = (
    "{%- if tools -%}{{ '<|system|>\\n# 可用工具' }}"
    "{%- for tool in tools -%}"
    "{{ '\\n\\n## ' + tool['function']['name'] + '\\n\\n' + (tool['function'] | tojson(indent=4)) }}"
    "{{ '\\n要调用这个函数时，请用 JSON 写出它的参数。' }}"
    "{%- endfor -%}{%- endif -%}"
)


def _chat_template(shown: str, written: str = _WORDS, *, tools: str = "") -> str:
    """The turns of GLM-4: no end mark, for the next role's token ends a turn.

    A call is an assistant's turn named after its function, its result an observation.

    Args:
        shown: the Jinja condition under which a message's content is written.
        written: what is written then.
        tools: what tells of tools, before the messages.
    """
    return (
        "[gMASK]<sop>" + tools + "{%- for message in messages -%}"
        "{%- set role = 'observation' if message['role'] == 'tool' else message['role'] -%}"
        "{%- if " + shown + " -%}" + written + "{%- endif -%}"
        "{%- for call in message['tool_calls'] or [] -%}"
        "{%- set arguments = call['function']['arguments'] -%}"
        "{{ '<|assistant|>' + call['function']['name'] + '\\n' }}"
        "{{ arguments if arguments is string else arguments | tojson }}"
        "{%- endfor -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
    )


GLM4: Final = Family(
    name="glm4",
    title="GLM-4",
    model_types=("chatglm", "glm", "glm4"),
    stop_literals=_STOPS,
    template_marks=_MARKS,
    tool_format="glm4",
    chat_template=_chat_template("message['content']", tools=_TOOLS),
    chat_names=("chat",),
    ranks=_RANKS,
    source="https://huggingface.co/zai-org/glm-4-9b-chat, https://huggingface.co/zai-org/GLM-4-9B-0414",
)

GLM4V: Final = Family(
    name="glm4v",
    title="GLM-4V",
    model_types=(),  # "chatglm" with a vision_config
    stop_literals=_STOPS,
    template_marks=_MARKS,
    image_form=_FIRST_IMAGES,
    chat_template=_chat_template("message['content'] or not message['tool_calls']", _PARTS),
    chat_names=("glm-4v",),
    ranks=_RANKS,
    source="https://huggingface.co/zai-org/glm-4v-9b: tokenization_chatglm.py",
)

GLM41V: Final = Family(
    name="glm4.1v",
    title="GLM-4.1V",
    model_types=("glm4v", "glm46v", "glm_ocr"),
    stop_literals=_STOPS,
    template_marks=_MARKS,
    reasoning=THINK,  # the model opens it; the template does not mention it
    image_form=_IMAGES,
    source="https://huggingface.co/zai-org/GLM-4.1V-9B-Thinking",
)

GLM45: Final = Family(
    name="glm4_moe",
    title="GLM-4.5",
    model_types=("glm4_moe", "glm4_moe_lite", "glm_moe_dsa"),
    stop_literals=_STOPS,
    template_marks=_MARKS,
    reasoning=THINK,
    source="https://huggingface.co/zai-org/GLM-4.5, https://huggingface.co/zai-org/GLM-4.7-Flash",
)

GLM45V: Final = Family(
    name="glm4v_moe",
    title="GLM-4.5V",
    model_types=("glm4v_moe", "glm5_next"),
    stop_literals=_STOPS,
    template_marks=_MARKS,
    reasoning=THINK,
    image_form=_IMAGES,
    source="https://huggingface.co/zai-org/GLM-4.5V",
)
