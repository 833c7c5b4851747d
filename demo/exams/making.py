"""Sums, and strings of any make: repeated, spelled, their first letter."""

from random import Random

from demo.exams.case import Case, Check, has, last_is, number, one_of
from demo.grammar import Lang
from demo.held import HELD_MAKES
from demo.scene import Scene
from demo.skills.strings import take_apart_this
from demo.skills.sums import draw_pair
from demo.slots import string

SUMS = "adds and subtracts"
STRINGS = "takes strings as they are"


def write(rng: Random, lang: Lang) -> list[Case]:
    """One case of every exam."""
    return [_sum(rng, lang, "add"), _sum(rng, lang, "sub"), *_strings(rng, lang)]


def _sum(rng: Random, lang: Lang, topic: str) -> Case:
    a, b = draw_pair(rng, held=True)
    scene = Scene(rng, lang, held=True, slots={"a": str(a), "b": str(b)})
    line, result = scene.line(topic), a + b if topic == "add" else a - b
    return Case(SUMS, "adds" if topic == "add" else "subtracts", lang, last_is([line], number(result)))


def _strings(rng: Random, lang: Lang) -> list[Case]:
    return [
        Case(STRINGS, exam, lang, last_is([line], check))
        for exam, line, check in (
            _taken(rng, lang, "repeat", "repeats"),
            _taken(rng, lang, "spell", "spells"),
            _taken(rng, lang, "first", "says the first letter"),
        )
    ]


def _taken(rng: Random, lang: Lang, topic: str, exam: str) -> tuple[str, str, Check]:
    text = rng.choice(list(HELD_MAKES.values()))(rng) if rng.random() < 0.5 else string(rng, lang, held=True)
    scene = Scene(rng, lang, held=True)
    if topic == "repeat":
        scene.slots["say"] = text
        return exam, scene.line("repeat"), has(text)
    line = take_apart_this(scene, topic, text).user
    return exam, line, one_of(lang, topic, scene.slots)
