"""Dialogues: pictures where their places are, nothing of the exams' material in them."""

import re
from collections import Counter
from random import Random

from demo.turns import Turn
from demo.vision.exams import ShownStep, write_cases
from demo.vision.picture import DIGITS, SHAPES, Kind
from demo.vision.plots import PLACE, Shown, write_dialogue
from demo.vision.words import said

from drawn import dialogues

COUNT = 900


def turns() -> list[Turn]:
    return [turn for dialogue in dialogues(COUNT) for turn in dialogue.turns]


def plain_text(line: str) -> str:
    return re.sub(r"\s+", " ", line.replace(PLACE, "").casefold()).strip(" .!?。！？~,，")


def test_a_dialogue_is_a_function_of_its_seed():
    assert write_dialogue(Random("a")) == write_dialogue(Random("a"))


def test_every_picture_has_its_place():
    for turn in turns():
        pictures = turn.pictures if isinstance(turn, Shown) else ()
        assert turn.user.count(PLACE) == len(pictures)
        assert PLACE not in turn.answer


def test_no_turn_is_empty_and_no_slot_is_left_open():
    for turn in turns():
        assert turn.user.strip()
        assert turn.answer.strip()
        assert not re.search(r"\{\w+\}", turn.answer), turn


def test_no_held_out_pair_is_shown():
    shown = [picture for turn in turns() if isinstance(turn, Shown) for picture in turn.pictures]
    assert len(shown) > COUNT
    assert not any(kind.held for picture in shown for kind in picture.kinds)


def test_what_is_said_of_a_picture_names_no_held_out_pair_and_a_wish_may_name_any():
    named = {True: set[Kind](), False: set[Kind]()}
    for turn in turns():
        shapes, colours = said(turn.answer, "shape", "en"), said(turn.answer, "colour", "en")
        if len(shapes) == len(colours) == 1 and turn.answer.isascii():
            named[isinstance(turn, Shown) and bool(turn.pictures)].add(Kind(*shapes, *colours))
    assert len(named[True]) > 40
    assert not any(kind.held for kind in named[True])
    assert sum(kind.held for kind in named[False]) > 5


def test_dialogues_show_none_one_and_several_pictures_in_one_turn_or_in_many():
    shown = [[len(t.pictures) for t in d.turns if isinstance(t, Shown) and t.pictures] for d in dialogues(COUNT)]
    numbers = Counter(sum(each) for each in shown)
    assert all(numbers[count] > 0.02 * COUNT for count in range(5))
    assert sum(max(each, default=0) == 2 for each in shown) > 0.1 * COUNT
    assert any(len(each) > 3 for each in shown)


def test_every_shape_and_digit_is_shown():
    shown = {kind.shape for t in turns() if isinstance(t, Shown) for p in t.pictures for kind in p.kinds}
    assert shown == {*SHAPES, *DIGITS}


def test_no_line_that_is_judged_is_typed_in_training():
    typed = {plain_text(turn.user) for turn in turns()}
    cases = write_cases(Random(1), 12)
    judged = [step.user for case in cases for step in case.steps if isinstance(step, ShownStep) and step.check]
    assert len(judged) > 300
    assert not typed & {plain_text(line) for line in judged}
