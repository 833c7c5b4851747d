"""The adapter's exams: another voice, the same memory."""

from random import Random
from typing import Final

from demo.exams import making, memory
from demo.exams.case import Case, Check, last_is
from demo.exams.obedience import small_lines
from demo.grammar import LANGS, Lang
from demo.pirate import sounds_like_pirate

VOICE: Final = "speaks as a pirate"
MEMORY: Final = "remembers as a pirate"
_RECALLED: Final = ("recalls", "takes a correction")


def write_cases(rng: Random, count: int) -> list[Case]:
    """`count` cases of every exam in each language."""
    return [case for lang in LANGS for _ in range(count) for case in _write(rng, lang)]


def _write(rng: Random, lang: Lang) -> list[Case]:
    lines = small_lines(rng, lang, 3, least=1)
    recalled = [case for case in memory.write(rng, lang) if case.exam.startswith(_RECALLED)]
    sums = [case for case in making.write(rng, lang) if case.skill == making.SUMS]
    return [
        Case(VOICE, "any prompt", lang, last_is(lines, _voice(lang))),
        *(Case(MEMORY, case.exam, lang, case.steps, case.system) for case in (*recalled, *sums)),
    ]


def _voice(lang: Lang) -> Check:
    return lambda reply: not reply.calls and sounds_like_pirate(reply.answer, lang)
