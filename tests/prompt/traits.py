"""A small tokenizer, and one template of our own writing for each trait that templates in the field have."""

from __future__ import annotations

from functools import cache
from typing import Final

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from duihua.families import ImageForm
from duihua.families.glm import GLM4V, GLM41V
from duihua.families.qwen import QWEN3_VL

SPECIAL: Final = (
    "<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>",
    "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "[INST]", "[/INST]",
    "<|begin_of_image|>", "<|image|>", "<|end_of_image|>", "<|vision_start|>", "<|image_pad|>", "<|vision_end|>",
)  # fmt: skip
NOT_SPECIAL: Final = ("<think>", "</think>", "<tool_call>", "</tool_call>")
LITERALS: Final = SPECIAL + NOT_SPECIAL


@cache
def tokenizer() -> Tokenizer:
    """A byte-level BPE with the control tokens of several families."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    words = ["hello world", "the weather is nice today", "你好，今天天气不错", "user assistant system", "12 + 34 = 46"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator(words * 5, trainer)
    made.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    made.add_tokens([AddedToken(text, special=False, normalized=False) for text in NOT_SPECIAL])
    return made


GLM: Final = (
    "[gMASK]<sop>{% if tools %}<|system|>\nTools:{% for tool in tools %}\n{{ tool | tojson }}{% endfor %}{% endif %}"
    "{% for m in messages %}<|{{ 'observation' if m.role == 'tool' else m.role }}|>\n{{ m.content }}"
    "{% for call in m.tool_calls or [] %}{{ call.function.name }}\n{{ call.function.arguments | tojson }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CHATML: Final = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DEFAULT_SYSTEM: Final = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}" + CHATML
)
TRIM: Final = CHATML.replace("m.content", "m.content | trim")
THINKING: Final = (
    "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}"
    "{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and m.reasoning_content and loop.index0 > ns.last %}"
    "<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPLIT: Final = CHATML.replace("m.content", "m.content.split('</think>')[-1].lstrip('\\n')")
STARTS: Final = CHATML.replace("{{ m.content }}", "{{ 'Q: ' if m.content.startswith('a') else '' }}{{ m.content }}")
LENGTH: Final = CHATML.replace("{{ m.content }}", "{{ m.content[:6] if m.content | length > 6 else m.content }}")
TOJSON: Final = CHATML.replace("m.content", "m.content | tojson")
HEADERS: Final = (
    "<|endoftext|>{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}<|eot_id|>"
    "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
MERGED_SYSTEM: Final = (
    "{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}"
    "{% set ns.system = m.content + '\n\n' %}{% elif m.role == 'user' %}[INST] {{ ns.system if loop.last else '' }}"
    "{{ m.content }} [/INST]{% else %} {{ m.content }}<|endoftext|>{% endif %}{% endfor %}"
)
PLAIN: Final = (
    "{% for m in messages %}{{ m.role | upper }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
DATED: Final = "{% set day = strftime_now('%Y-%m-%d') %}<|im_start|>system\n{{ day }}<|im_end|>\n" + CHATML

ALL: Final = {
    "glm": GLM, "chatml": CHATML, "default system": DEFAULT_SYSTEM, "trim": TRIM, "thinking": THINKING,
    "split": SPLIT, "starts": STARTS, "length": LENGTH, "tojson": TOJSON, "headers": HEADERS,
    "merged system": MERGED_SYSTEM, "plain": PLAIN, "dated": DATED,
}  # fmt: skip


def _seeing(template: str, each: str, after: str = "") -> str:
    """A template that takes content in parts too, and writes each so; it writes `after` behind a list of them."""
    parts = f"{{% for p in m.content %}}{each}{{% endfor %}}{after}"
    written = f"{{% if m.content is string %}}{{{{ m.content }}}}{{% else %}}{parts}{{% endif %}}"
    assert template.count("{{ m.content }}") == 1
    return template.replace("{{ m.content }}", written)


_EITHER: Final = "{% if p.type == 'image' %}PICTURE{% elif 'text' in p %}{{ p.text }}{% endif %}"
_COUNTED: Final = "{% set ns = namespace(n=0) %}" + _seeing(
    CHATML, _EITHER.replace("PICTURE", "{% set ns.n = ns.n + 1 %}Picture {{ ns.n }}: PICTURE")
)
_FIRST: Final = _seeing(
    CHATML, "{% if p.type == 'image' %}PICTURE\n{% endif %}", "{% for p in m.content %}{{ p.text or '' }}{% endfor %}"
)
_QWEN: Final = "<|vision_start|><|image_pad|><|vision_end|>"
_GLM: Final = "<|begin_of_image|><|image|><|end_of_image|>"
_GLM_FIRST: Final = "<|begin_of_image|><|endoftext|><|end_of_image|>"

_FORMS: Final = {_QWEN: QWEN3_VL.image_form, _GLM: GLM41V.image_form, _GLM_FIRST: GLM4V.image_form}
_SEEING: Final = {
    "glm": (_seeing(GLM, _EITHER), _GLM),
    "glm-4v": (_seeing(GLM, _EITHER), _GLM_FIRST),
    "chatml": (_seeing(CHATML, _EITHER), _QWEN),
    "default system": (_seeing(DEFAULT_SYSTEM, _EITHER), _QWEN),
    "thinking": (_seeing(THINKING, _EITHER), _QWEN),
    "bare": (_seeing(CHATML, _EITHER), "<|image_pad|>"),
    "counted": (_COUNTED, _QWEN),
    "pictures first": (_FIRST, _QWEN),
    "trim": (_seeing(CHATML, _EITHER.replace("p.text", "p.text | trim")), _QWEN),
    "lines": (_seeing(GLM, _EITHER.replace("p.text", "'\n' ~ p.text ~ '\n'"), "\n"), _GLM),
    "shortened": (_seeing(CHATML, _EITHER.replace("p.text", "p.text[:6]")), _QWEN),
}


def _with_form(template: str, picture: str) -> tuple[str, ImageForm]:
    form = _FORMS.get(picture) or QWEN3_VL.image_form
    assert form is not None
    return template.replace("PICTURE", picture), form


SEEING: Final = {name: _with_form(*value) for name, value in _SEEING.items()}
