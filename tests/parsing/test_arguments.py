"""Arguments come piece by piece, and together they are JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from duihua.parsing.arguments import ObjectArguments, ObjectText, ParameterArguments, TextArguments
from duihua.parsing.calls import Calls
from duihua.parsing.parts import CallArguments, CallEnded
from duihua.parsing.schemas import ToolSchemas
from parsing.reading import tool


def calls() -> Calls:
    made = Calls(ToolSchemas([tool("f", text="string", count="integer")]))
    made.begin("f")
    return made


def written(made: Calls) -> str:
    return "".join(part.text for part in made.take() if isinstance(part, CallArguments))


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.lists(st.integers(), max_size=3), max_size=3))
def test_an_object_ends_with_its_last_bracket(value: dict[str, object]) -> None:
    text = json.dumps(value, ensure_ascii=False)
    found = ObjectText()
    assert found.take(text + "} more") == len(text)
    assert found.is_done


def test_json_is_passed_on_as_it_comes() -> None:
    made = calls()
    arguments = ObjectArguments(made)
    assert arguments.push('{"text": "a') is None
    assert written(made) == '{"text": "a'
    assert arguments.push('b"} and') == " and"
    assert written(made) == 'b"}'


@given(st.text(max_size=30), st.integers(1, 5))
def test_raw_text_becomes_the_string_of_one_parameter(text: str, step: int) -> None:
    made = calls()
    arguments = TextArguments(made, "text")
    for start in range(0, len(text), step):
        arguments.push(text[start : start + step])
    arguments.finish()
    assert json.loads(written(made)) == {"text": text.strip()}


@given(st.text(max_size=30), st.integers(1, 5))
def test_a_parameter_keeps_all_but_the_line_breaks_around_it(text: str, step: int) -> None:
    made = calls()
    arguments = ParameterArguments(made, "f", has_breaks=True)
    arguments.begin("text")
    around = f"\n{text}\n"
    for start in range(0, len(around), step):
        arguments.push(around[start : start + step])
    arguments.end()
    arguments.begin("count")
    arguments.push("\n3\n")
    arguments.end()
    arguments.finish()
    assert json.loads(written(made)) == {"text": text, "count": 3}


def test_no_parameters_are_an_empty_object() -> None:
    made = calls()
    ParameterArguments(made, "f").finish()
    assert made.close()
    assert [part for part in made.take() if isinstance(part, CallEnded)] == [CallEnded(0, "f", "{}")]
