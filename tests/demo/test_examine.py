"""The quick figures of the bundled checkpoint, and what they are taken on."""

from demo.evaluate import BUNDLED, QUICK
from demo.examine import Exam, examine
from demo.exams import memory


def test_the_quick_figures_have_every_exam_in_both_languages():
    every, quick = Exam(BUNDLED, QUICK).cases(), Exam(BUNDLED, QUICK, quick=True).cases()
    assert {(c.exam, c.lang) for c in quick} == {(c.exam, c.lang) for c in every if c.exam}
    assert sum(len(case.steps) for case in quick) < 0.5 * sum(len(case.steps) for case in every)


def test_the_same_exam_has_the_same_cases_in_every_process():
    first, second = (Exam(BUNDLED, 2).cases() for _ in "ab")
    assert [case.steps[-1].user for case in first] == [case.steps[-1].user for case in second]


def test_the_bundled_checkpoint_can_be_examined_in_a_few_seconds():
    held = examine(Exam(BUNDLED, 1, quick=True))
    assert len(held) > 60
    assert all(len(one.replies) == len(one.case.steps) for one in held)
    assert any(one.right for one in held if one.case.skill == memory.SKILL)
