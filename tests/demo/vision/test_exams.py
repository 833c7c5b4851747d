"""Exams: a right answer passes, a wrong one fails, and all of it is held out of training."""

from collections import Counter
from random import Random

import pytest
from demo.evaluate import COUNT
from demo.exams.case import Case, Held, Reply
from demo.grammar import LANGS, Lang
from demo.vision.evaluate import cases_of
from demo.vision.exams import TO_REACH, TRAINED, ShownStep, right_answer, write_cases
from demo.vision.picture import Kind, Picture, Thing
from demo.vision.questions import Asker, Question, look, where_at


def cases() -> list[Case]:
    return write_cases(Random(2), 20)


def picture(*kinds: Kind) -> Picture:
    return Picture(tuple(Thing(kind, 20.0 + 60 * at, 50, 15) for at, kind in enumerate(kinds)), 112, 100, 1)


RED, BLUE = Kind("circle", "red"), Kind("square", "blue")


@pytest.mark.parametrize(
    ("lang", "answer", "right"),
    [
        ("en", "That is a red circle.", True),
        ("en", "A red square.", False),
        ("en", "A blue circle.", False),
        ("en", "A circle.", False),
        ("en", "A red circle or a red square.", False),
        ("zh", "这是一个红色的圆形。", True),
        ("zh", "一个红色的方形。", False),
        ("zh", "A red circle.", False),
        ("en", "", False),
    ],
)
def test_a_name_must_have_this_shape_and_this_colour_and_no_other(lang: Lang, answer: str, *, right: bool):
    question = look(Asker(Random(1), lang), picture(RED))
    assert right_answer(question, lang)(Reply(answer)) is right


@pytest.mark.parametrize(
    ("answer", "right"),
    [("It is to the left of the blue square.", True), ("To the right of it.", False), ("Left or right.", False)],
)
def test_a_side_must_be_this_one_alone(answer: str, *, right: bool):
    rng = Random(1)
    question = where_at(Asker(rng, "en"), picture(RED, BLUE))
    while question is None or question.slots["one"] != "red circle":
        question = where_at(Asker(rng, "en"), picture(RED, BLUE))
    assert right_answer(question, "en")(Reply(answer)) is right


def test_where_nothing_is_shown_only_saying_so_is_right():
    check = right_answer(Question("see.look", "see.blind"), "en")
    assert check(Reply("You have not shown me a picture yet."))
    assert not check(Reply("A red circle."))


def test_every_pair_in_the_pictures_is_held_out():
    examined = [case for case in cases() if case.skill != TRAINED]
    shown = [step for case in examined for step in case.steps if isinstance(step, ShownStep)]
    kinds = [kind for step in shown for picture in step.pictures for kind in picture.kinds]
    assert len(kinds) > 1000
    assert all(kind.held for kind in kinds)


def test_every_bound_is_taken_on_five_hundred_conversations_or_more_in_both_languages():
    counted = Counter((case.skill, case.lang) for case in cases_of(COUNT))
    for skill in TO_REACH:
        assert sum(counted[skill, lang] for lang in LANGS) >= 500
        assert abs(counted[skill, "en"] - counted[skill, "zh"]) <= 2


def test_the_quick_figures_have_every_exam_in_both_languages():
    every, quick = write_cases(Random(7), 1), cases_of(4, quick=True)
    assert {(c.skill, c.exam, c.lang) for c in quick} == {(c.skill, c.exam, c.lang) for c in every}
    assert len(quick) <= 2 * len(every)


def test_the_same_seed_writes_the_same_cases():
    assert [c.steps[-1].user for c in cases()] == [c.steps[-1].user for c in cases()]


def test_a_conversation_with_a_wrong_last_answer_is_wrong():
    case = next(c for c in cases() if c.exam == "before other pictures")
    held = Held(case, [Reply("Hm.") for _ in case.steps])
    assert not held.right
    assert [step.check is not None for step in case.steps] == [False] * (len(case.steps) - 1) + [True]
