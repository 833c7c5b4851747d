"""A format is known by what chat templates of its kind have, and by nothing else."""

from __future__ import annotations

import pytest

from duihua.parsing.catalogue import format_of

# The lines that tell the published templates apart.
TEMPLATES = {
    "glm4": "{% if tools %}<|system|>\n# 可用工具{% endif %}<|observation|>",
    "glm45": "<tool_call>{{ tc.name }}{% for k, v in args.items() %}<arg_key>{{ k }}</arg_key>",
    "hermes": '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>',
    "qwen-coder": "'<tool_call>\n<function=' + tool_call.name + '>\n' '<parameter=' + args_name",
    "llama": '\'{"name": "\' + tool_call.name + \'", \' }}{{- \'"parameters": \' }} message.role == "ipython"',
    "react": "Action: {{ name }}\nAction Input: {{ input }}\nObservation: {{ output }}",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_tells_its_format(name: str) -> None:
    format_ = format_of(TEMPLATES[name])
    assert format_ is not None
    assert format_.name == name


def test_a_template_without_calls_has_none_unless_its_family_names_one() -> None:
    plain = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    assert format_of(plain) is None
    assert format_of(None) is None
    named = format_of(plain, "react")
    assert named is not None
    assert named.name == "react"
