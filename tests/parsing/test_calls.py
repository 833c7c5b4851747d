"""What is told of calls, and of what turns out to be none."""

from __future__ import annotations

import pytest

from duihua.parsing.calls import Calls
from duihua.parsing.parts import CallArguments, CallBegun, CallEnded, Content
from duihua.parsing.schemas import ToolSchemas


def calls(*, is_single: bool = False) -> Calls:
    return Calls(ToolSchemas([]), is_single=is_single)


def test_line_breaks_between_words_and_a_call_belong_to_neither() -> None:
    made = calls()
    made.say("a\nb\n")
    made.say("\n")
    made.begin("f")
    made.close()
    made.say("\n ")
    made.say("\nc\n")
    made.flush()
    assert made.take() == [
        Content("a\nb"), CallBegun(0, "f"), CallArguments(0, "{}"), CallEnded(0, "f", "{}"), Content("c"), Content("\n")
    ]  # fmt: skip


def test_line_breaks_at_an_answer_s_end_stay() -> None:
    made = calls()
    made.say("a\n")
    made.flush()
    assert made.take() == [Content("a"), Content("\n")]


@pytest.mark.parametrize("arguments", ["[1]", "1", '{"a": NaN}', '{"a"', "{'a': 1}", '{"a": "\\ud800"}', "[" * 5000])
def test_arguments_that_are_no_json_object_make_no_call(arguments: str) -> None:
    made = calls()
    made.hold("raw")
    made.begin("f")
    made.write(arguments)
    assert not made.close()
    assert made.malformed == 1
    assert made.take()[-1] == Content("raw")


def test_a_call_after_one_that_failed_has_a_number_of_its_own() -> None:
    made = calls()
    made.begin("f")
    made.fail()
    made.begin("g")
    assert made.close()
    assert made.take() == [CallBegun(0, "f"), CallBegun(1, "g"), CallArguments(1, "{}"), CallEnded(1, "g", "{}")]


def test_half_a_call_is_dropped_and_less_than_half_is_words() -> None:
    made = calls()
    made.hold("f\n{")
    made.begin("f")
    made.cut()
    made.hold("f")
    made.cut()
    assert made.take() == [CallBegun(0, "f"), Content("f")]
    assert made.malformed == 0


def test_where_one_call_is_wanted_nothing_counts_after_it() -> None:
    made = calls(is_single=True)
    made.begin("f")
    made.fail()
    assert not made.is_over
    made.begin("g")
    made.close()
    assert made.is_over
