"""The figures as a table: shares, their lower bounds and what was to be reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from demo.exams import making, manners, memory, obedience, pirate, stories, strangers, tooling
from demo.exams.case import Held, wilson_low

# Skill -> the lower bound to reach; a skill without one is only reported.
TO_REACH: Final = {
    manners.SELF: 0.95,
    memory.SKILL: 0.95,
    memory.APART: 0.90,
    making.SUMS: 0.95,
    making.STRINGS: 0.90,
    obedience.SKILL: 0.90,
    tooling.SKILL: 0.95,
    tooling.CHAINS: 0.85,
    pirate.VOICE: 0.95,
    pirate.MEMORY: 0.90,
}
_OTHERS: Final = (stories.SKILL, manners.UNKNOWN, manners.TALK, manners.FAR, strangers.SKILL)


@dataclass(frozen=True, slots=True)
class Figure:
    """How many conversations of an exam, or of all exams of a skill, were right."""

    skill: str
    exam: str  # empty: all of the skill
    right: int
    count: int
    english: float  # share
    chinese: float
    to_reach: float | None = None  # by `at_least`

    @property
    def at_least(self) -> float:
        """The lower end of the 95 % Wilson interval."""
        return wilson_low(self.right, self.count)

    @property
    def reached(self) -> bool | None:
        """Whether the bound is reached; None where there is none."""
        return None if self.to_reach is None else self.at_least >= self.to_reach


def figures(
    held: Sequence[Held], to_reach: Mapping[str, float] = TO_REACH, others: Sequence[str] = _OTHERS
) -> list[Figure]:
    """One for each skill followed by one for each of its exams.

    Args:
        held: conversations of any skills.
        to_reach: skills and the lower bounds they are to reach.
        others: skills that are only reported.
    """
    found: list[Figure] = []
    for skill in (*to_reach, *others):
        of_skill = [one for one in held if one.case.skill == skill]
        exams = list(dict.fromkeys(one.case.exam for one in of_skill if one.case.exam))
        bound = to_reach.get(skill)
        found += [_figure(skill, "", of_skill, bound)] if of_skill else []
        found += [_figure(skill, exam, [one for one in of_skill if one.case.exam == exam], bound) for exam in exams]
    return found


def _figure(skill: str, exam: str, held: Sequence[Held], bound: float | None) -> Figure:
    english, chinese = (_share([one for one in held if one.case.lang == lang]) for lang in ("en", "zh"))
    return Figure(skill, exam, sum(one.right for one in held), len(held), english, chinese, bound)


def _share(held: Sequence[Held]) -> float:
    return sum(one.right for one in held) / len(held) if held else 0.0


def table(taken: Mapping[str, Sequence[Figure]]) -> str:
    """The figures in Markdown, side by side for each dtype they were taken in; a missed bound says so."""
    wide = " | ".join(f"{dtype}: en | zh | at least" for dtype in taken)
    head = f"| skill | exam | of | {wide} | to reach |\n|---|---|--:|{'--:|--:|--:|' * len(taken)}--:|"
    return "\n".join([head, *(_row(same) for same in zip(*taken.values(), strict=True))])


def _row(same: Sequence[Figure]) -> str:
    first = same[0]
    bound = first.to_reach
    missed = any(figure.reached is False for figure in same)
    wanted = "" if bound is None or first.exam else f"{bound:.0%}{' (missed)' if missed else ''}"
    name = f"{first.exam}" if first.exam else f"**{first.skill}**"
    shares = " | ".join(f"{f.english:.1%} | {f.chinese:.1%} | {f.at_least:.1%}" for f in same)
    return f"| {'' if first.exam else name} | {name if first.exam else ''} | {first.count} | {shares} | {wanted} |"
