"""Figures: what is counted, and that a missed bound says so."""

from demo.exams import making
from demo.exams.case import Case, Held, Reply, Step, has, number, wilson_low
from demo.figures import figures, table


def held(right: int, wrong: int) -> list[Held]:
    case = Case(making.SUMS, "adds", "en", (Step("1 + 1", number(2)),))
    return [Held(case, [Reply(answer)]) for answer in ("2",) * right + ("3",) * wrong]


def test_few_right_answers_prove_little():
    assert wilson_low(2, 2) < 0.35
    assert wilson_low(260, 260) > 0.98
    assert wilson_low(0, 0) == 0


def test_the_bound_is_compared_with_the_lower_end():
    skill, _ = figures(held(96, 4))
    assert skill.right == 96
    assert skill.reached is False
    assert figures(held(520, 0))[0].reached is True


def test_a_missed_bound_says_so():
    assert "(missed)" in table({"float32": figures(held(1, 9))})
    assert "(missed)" not in table({"float32": figures(held(520, 0))})
    assert "(missed)" in table({"float32": figures(held(520, 0)), "bfloat16": figures(held(1, 519))})


def test_an_answer_that_did_not_end_is_wrong():
    case = Case("s", "e", "en", (Step("hi", has("Hello")),))
    assert Held(case, [Reply("Hello")]).right
    assert not Held(case, [Reply("Hello")], ended=False).right


def test_an_answer_that_called_a_tool_is_no_answer_in_words():
    assert not has("Hello")(Reply("Hello", (("wave\n{}",),)))


def test_a_number_is_not_found_within_another():
    assert has("5")(Reply("It was 5."))
    assert not has("5")(Reply("My 15 million numbers say so."))
    assert has("R2-D2")(Reply("You are R2-D2."))
