"""The exams: conversations whose answers can be judged, all on material kept out of training."""

from random import Random

from demo.exams import making, manners, memory, obedience, stories, tooling
from demo.exams.case import Case
from demo.grammar import LANGS


def write_cases(rng: Random, count: int) -> list[Case]:
    """`count` cases of every exam in each language; stories a fifth as many."""
    writers = (manners.write, memory.write, making.write, obedience.write, tooling.write)
    cases = [case for lang in LANGS for write in writers for _ in range(count) for case in write(rng, lang)]
    return cases + [case for lang in LANGS for _ in range(-(-count // 5)) for case in stories.write(rng, lang)]
