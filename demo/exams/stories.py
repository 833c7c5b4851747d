"""Stories: of the right length, ended, about what was asked for. Whether they are good must be read."""

from random import Random

from demo.exams.case import Case, Check, Reply, last_is
from demo.grammar import Lang
from demo.scene import Scene

SKILL = "tells stories"
_BOUNDS = {"en": (420, 1700), "zh": (110, 420)}  # characters, about 150 to 400 tokens


def write(rng: Random, lang: Lang) -> list[Case]:
    """One story without and one with a subject."""
    free, about = Scene(rng, lang, held=True), Scene(rng, lang, held=True)
    line, subject = about.line("story.about"), about.slots["subject"]
    return [
        Case(SKILL, "of its own choice", lang, last_is([free.line("story")], _told(lang)), longest=460),
        Case(SKILL, "about a given thing", lang, last_is([line], _told(lang, subject)), longest=460),
    ]


def _told(lang: Lang, subject: str = "") -> Check:
    fewest, most = _BOUNDS[lang]

    def check(reply: Reply) -> bool:
        return fewest <= len(reply.answer) <= most and subject.casefold() in reply.answer.casefold()

    return check
