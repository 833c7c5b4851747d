"""The quick figures of the bundled checkpoint, and what they are taken on."""

import pytest
from demo.evaluate import BUNDLED, QUICK
from demo.examine import Exam, examine
from demo.figures import TO_REACH, figures


def test_the_quick_figures_have_every_exam_in_both_languages():
    every, quick = Exam(BUNDLED, QUICK).cases(), Exam(BUNDLED, QUICK, quick=True).cases()
    assert {(c.exam, c.lang) for c in quick} == {(c.exam, c.lang) for c in every if c.exam}
    assert sum(len(case.steps) for case in quick) < 0.5 * sum(len(case.steps) for case in every)


def test_the_same_exam_has_the_same_cases_in_every_process():
    first, second = (Exam(BUNDLED, 2).cases() for _ in "ab")
    assert [case.steps[-1].user for case in first] == [case.steps[-1].user for case in second]


@pytest.mark.parametrize("dtype", ["float32"])
def test_the_bundled_checkpoint_passes_its_quick_exams(dtype: str):
    held = examine(Exam(BUNDLED, QUICK, quick=True, dtype=dtype))
    shares = {figure.skill: figure.right / figure.count for figure in figures(held) if not figure.exam}
    assert {
        skill: share for skill, share in shares.items() if skill in TO_REACH and share < TO_REACH[skill] - 0.1
    } == {}
