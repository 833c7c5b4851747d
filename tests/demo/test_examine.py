"""The quick figures of the bundled checkpoint, and what they are taken on."""

from collections import Counter

from demo.evaluate import BUNDLED, QUICK
from demo.examine import Exam, examine
from demo.exams import pirate
from demo.figures import TO_REACH, figures
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


def test_the_bundled_checkpoint_does_what_its_card_says():
    """A few short conversations of every exam; `python -m demo.evaluate` holds the many that the figures need."""
    held = examine(Exam(BUNDLED, QUICK, quick=True))
    assert all(len(one.replies) == len(one.case.steps) for one in held)
    found = {one.skill: one for one in figures(held) if not one.exam and one.skill in TO_REACH}
    assert set(found) == set(TO_REACH) - {pirate.VOICE, pirate.MEMORY}
    assert sum(one.right for one in found.values()) >= 0.9 * sum(one.count for one in found.values())
    for skill, one in found.items():
        assert one.right >= (TO_REACH[skill] - 0.25) * one.count, skill
