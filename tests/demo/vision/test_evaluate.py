"""Figures: a missed bound says so, and what went wrong can be read."""

from demo.exams.case import Held, Reply
from demo.figures import table
from demo.vision.evaluate import cases_of, failures_of, figures_of
from demo.vision.exams import NAMES, TO_REACH


def held(*, right: bool) -> list[Held]:
    """Every judged answer right or wrong; what is right the case itself is asked."""
    return [Held(case, [Reply("...") for _ in case.steps], ended=not right) for case in cases_of(1)]


def test_every_skill_has_its_figure_and_its_bound():
    found = {one.skill: one for one in figures_of(held(right=False)) if not one.exam}
    assert {skill for skill, one in found.items() if one.to_reach is not None} == set(TO_REACH)
    assert found[NAMES].right == 0
    assert "(missed)" in table({"float32": figures_of(held(right=False))})


def test_what_went_wrong_can_be_read_with_what_was_shown():
    rows = failures_of(held(right=False))
    shown = [row for row in rows if row["pictures"]]
    assert len(rows) == len(held(right=False))
    assert len(shown) > len(rows) / 2
