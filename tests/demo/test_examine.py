"""The quick figures of the bundled checkpoint, and what they are taken on."""

from collections import Counter

from demo.evaluate import BUNDLED, QUICK
from demo.examine import Exam, examine
from demo.exams import memory
from demo.figures import TO_REACH
from demo.grammar import LANGS


def test_the_quick_figures_have_every_exam_in_both_languages():
    every, quick = Exam(BUNDLED, QUICK).cases(), Exam(BUNDLED, QUICK, quick=True).cases()
    assert {(c.exam, c.lang) for c in quick} == {(c.exam, c.lang) for c in every if c.exam}
    assert sum(len(case.steps) for case in quick) < 0.5 * sum(len(case.steps) for case in every)


def test_a_skill_has_as_many_conversations_however_many_exams_it_has():
    cases = [case for case in Exam(BUNDLED, 12).cases() if case.skill in TO_REACH]
    for skill in {case.skill for case in cases}:
        for lang in LANGS:
            count = Counter(case.exam for case in cases if (case.skill, case.lang) == (skill, lang))
            assert 12 <= count.total() < 12 + len(count)
            assert len(set(count.values())) == 1


def test_the_same_exam_has_the_same_cases_in_every_process():
    first, second = (Exam(BUNDLED, 2).cases() for _ in "ab")
    assert [case.steps[-1].user for case in first] == [case.steps[-1].user for case in second]


def test_the_bundled_checkpoint_can_be_examined_in_a_few_seconds():
    held = examine(Exam(BUNDLED, 1, quick=True))
    assert len(held) > 60
    assert all(len(one.replies) == len(one.case.steps) for one in held)
    assert any(one.right for one in held if one.case.skill == memory.SKILL)
