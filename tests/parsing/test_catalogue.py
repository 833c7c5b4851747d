"""A format is known by what chat templates of its kind have, and by nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from duihua.families import FAMILIES
from duihua.parsing.catalogue import FORMATS, format_of
from duihua.parsing.format import ToolFormat
from parsing.reading import pieces_of, read, tool
from parsing.templates import WRITTEN

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


WORDS = st.text("ab 你\"'\\{}<>/=\n", max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
KEYS = st.sampled_from(["key", "名", "a_b", "x-1"])


def test_every_format_that_a_family_names_is_there() -> None:
    named = {family.name: family.tool_format for family in FAMILIES if family.tool_format}
    assert named == {"glm4": "glm4", "qwen": "react"}
    for family in FAMILIES:
        assert family.tool_format is None or format_of(None, family.tool_format) is not None
        written = family.chat_template and format_of(family.chat_template)
        assert not written or written.name == family.tool_format


@st.composite
def calls_made(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Calls whose arguments are of the types that their tool declares, if it declares any."""
    calls: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(["declared", "free"]))
        declared = {"text": WORDS, "count": st.integers(), "flag": st.booleans(), "list": st.lists(VALUES, max_size=2)}
        arguments = draw(
            st.fixed_dictionaries({}, optional=declared) if name == "declared" else st.dictionaries(KEYS, st.integers())
        )
        calls.append({"name": name, "arguments": arguments})
    return calls


MADE = (tool("declared", text="string", count="integer", flag="boolean", list="array"), tool("free"))


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)
@given(content=st.sampled_from(["", "Well.", "第一，\n第二。"]), calls=calls_made(), step=st.integers(1, 30))
def test_what_a_template_writes_is_read_back(
    format_: ToolFormat, content: str, calls: list[dict[str, Any]], step: int
) -> None:
    if format_.name == "react":
        calls = calls[:1]
    environment = Environment()
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    text = environment.from_string(WRITTEN[format_.name]).render(content=content, calls=calls)
    tokens = [tag for tag in format_.tags if tag.endswith(("|>", "tool_call>", "arg_key>", "arg_value>"))]
    pieces = [
        (part, control)
        for piece, control in pieces_of(text, tokens, hidden=[token for token in tokens if token.endswith("|>")])
        for part in ([piece] if control is not None else [piece[i : i + step] for i in range(0, len(piece), step)])
    ]
    found = read(format_, pieces, tokens=tokens, tools=MADE)
    made = [(part[1], json.loads(part[2])) for part in found if part[0] == "call"]
    assert made == [(call["name"], call["arguments"]) for call in calls]
    if format_.name not in ("llama", "react"):
        assert "".join(part[1] for part in found if part[0] == "say").strip() == content


SHREDS = st.sampled_from(
    sorted(
        {
            *(tag for format_ in FORMATS for tag in format_.tags),
            *(
                '{"name": "get_time", "arguments": {}}',
                '"parameters": {}',
                "get_time",
                "get_weather\n",
                '{"city": "a"}',
            ),
            *(
                "\n",
                " ",
                "{",
                "}",
                '"',
                "'",
                "\\",
                "key",
                ">",
                ";",
                "python\n",
                "</think>",
                "<think>",
                "Thought:",
                "é你",
            ),
        }
    )
)


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)
@given(
    shreds=st.lists(SHREDS, max_size=14),
    hold=st.booleans(),
    whole=st.booleans(),
    single=st.booleans(),
    thinking=st.booleans(),
)
def test_whatever_a_model_writes_is_read_the_same_however_it_is_cut(
    format_: ToolFormat, shreds: list[str], hold: bool, whole: bool, single: bool, thinking: bool
) -> None:
    tokens = (
        [tag for tag in (*format_.tags, "<think>", "</think>") if "=" not in tag and ":" not in tag] if hold else []
    )
    pieces = pieces_of("".join(shreds), tokens)
    shown = read(format_, pieces, tokens=tokens, is_whole=whole, is_single=single, thinking=thinking)
    letters = [(part, control) for text, control in pieces for part in (text if control is None else [text])]
    assert read(format_, letters, tokens=tokens, is_whole=whole, is_single=single, thinking=thinking) == shown
    for name, arguments in ((part[1], part[2]) for part in shown if part[0] == "call"):
        assert name
        assert isinstance(json.loads(arguments), dict)
