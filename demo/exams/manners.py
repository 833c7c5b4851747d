"""Manners: greets, says what it is and is not, chats, and owns up to what it does not know."""

from random import Random

from demo.exams.case import Case, Check, Reply, last_is, says
from demo.foreign import FOREIGN
from demo.grammar import Lang, is_han
from demo.scene import Scene
from demo.skills.talk import talk_topics

SELF = "greets and says what it is"
TALK = "chats about small things"
UNKNOWN = "says that it does not know"
FAR = "understands lines of which it knows no wording"
_DECLINES = ("dontknow", "dontknow.x", "hear", "hardsum")
_SELF = {
    "greets": ("greet", "greet.named"),
    "introduces itself": ("intro", "kind"),
    "says what it is": ("kind", "intro"),
    "says what it can do": ("able",),
    "says what it cannot do": ("cannot",),
    "says how to load a real model": ("load",),
}


def write(rng: Random, lang: Lang) -> list[Case]:
    """One case of every exam."""
    return [
        *(_typed(rng, lang, SELF, exam, topics) for exam, topics in _SELF.items()),
        _small_talk(rng, lang),
        _foreign(rng, lang),
        _typed(rng, lang, UNKNOWN, "unseen phrasings of the unknown", ("unknown", *_DECLINES)),
        _far_self(rng, lang),
        _far_talk(rng, lang),
    ]


def _far_self(rng: Random, lang: Lang) -> Case:
    topics = rng.choice(list(_SELF.values()))
    line = Scene(rng, lang, far=True).line(topics[0])
    return Case(FAR, "what it is", lang, last_is([line], says(lang, *topics)))


def _far_talk(rng: Random, lang: Lang) -> Case:
    topic = rng.choice(talk_topics(lang))
    return Case(FAR, "small talk", lang, last_is([Scene(rng, lang, far=True).line(topic)], says(lang, topic)))


def _typed(rng: Random, lang: Lang, skill: str, exam: str, topics: tuple[str, ...]) -> Case:
    line = Scene(rng, lang, held=True).line(topics[0])
    return Case(skill, exam, lang, last_is([line], in_language(lang, says(lang, *topics))))


def _small_talk(rng: Random, lang: Lang) -> Case:
    topic = rng.choice(talk_topics(lang))
    line = Scene(rng, lang, held=True).line(topic)
    return Case(TALK, "small talk", lang, last_is([line], says(lang, topic)))


def _foreign(rng: Random, lang: Lang) -> Case:
    line = rng.choice(FOREIGN[lang])
    return Case(UNKNOWN, "lines of no grammar", lang, last_is([line], in_language(lang, declines(lang))))


def declines(lang: Lang) -> Check:
    """The answer is one of the many ways to say that it does not know."""
    return says(lang, *_DECLINES)


def in_language(lang: Lang, check: Check) -> Check:
    """The same, and in the language of the question."""

    def both(reply: Reply) -> bool:
        return check(reply) and any(map(is_han, reply.answer)) == (lang == "zh")

    return both
