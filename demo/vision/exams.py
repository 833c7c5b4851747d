"""The exams: conversations about pictures of held-out pairs, in held-out phrasings, whose answers can be judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from demo.exams.case import Case, Check, Reply, Step, says
from demo.grammar import LANGS, Lang
from demo.scene import Scene
from demo.vision.picture import Picture, alike, alone, mixed, pair, sized
from demo.vision.plots import Talk, blind, chat, placed, too_far, two_pictures, worded
from demo.vision.questions import (
    Ask,
    Asker,
    Question,
    ago,
    ask_one,
    count,
    count_kind,
    digit,
    hue,
    hue_of,
    look,
    more,
    of_nth,
    same_hue,
    same_shape,
    shape,
    shows,
    size,
    where_at,
    where_is,
    where_what,
)
from demo.vision.words import said

NAMES: Final = "names shape and colour"
COUNTS: Final = "counts up to five"
PLACES: Final = "says what is left of or above what"
COMPARES: Final = "compares two pictures"
EARLIER: Final = "answers about an earlier picture"
BLIND: Final = "says that there is none"
# Skill -> the lower bound to reach; the others are only reported.
TO_REACH: Final = {NAMES: 0.95, COUNTS: 0.90, PLACES: 0.85, COMPARES: 0.85, EARLIER: 0.90, BLIND: 0.95}
TRAINED: Final = "names pairs of training"  # beside NAMES: what holding pairs out costs
OTHERS: Final = (TRAINED, "reads a digit", "says which is bigger", "greets and says what it is")

Make = Callable[..., Picture]

_OF_ONE: Final[Sequence[tuple[str, str, Make, Ask]]] = (
    (NAMES, "what it is", alone, look),
    (NAMES, "which colour", alone, hue),
    (NAMES, "which shape", alone, shape),
    (NAMES, "which colour has this of two", pair, hue_of),
    (COUNTS, "of one kind", alike, count),
    (COUNTS, "of several kinds", mixed, count),
    (COUNTS, "one kind among others", mixed, count_kind),
    (PLACES, "is it there", pair, where_is),
    (PLACES, "where is it", pair, where_at),
    (PLACES, "what is there", pair, where_what),
    (OTHERS[1], "", partial(alone, digit=True), digit),
    (OTHERS[2], "", sized, size),
)
_OF_TWO: Final = {
    "same shape": same_shape,
    "same colour": same_hue,
    "which has more": more,
    "which shows it": shows,
}
_SELF: Final = {"greet": "greets", "intro": "introduces itself", "kind": "says what it is", "able": "says what it can"}


@dataclass(frozen=True, slots=True)
class ShownStep(Step):
    """A line of the user with pictures at its places."""

    pictures: tuple[Picture, ...] = ()


def write_cases(rng: Random, count: int) -> list[Case]:
    """`count` cases of every exam in each language."""
    return [case for lang in LANGS for _ in range(count) for case in _write(rng, lang)]


def right_answer(question: Question, lang: Lang) -> Check:
    """The answer says what is true of each kind of statement that it has to make, no less and no more."""
    if not question.true:
        return says(lang, question.reply)

    def check(reply: Reply) -> bool:
        return all(said(reply.answer, kind, lang) == wanted for kind, wanted in question.true.items())

    return check


def _write(rng: Random, lang: Lang) -> list[Case]:
    asker = Asker(rng, lang, held=True)
    return [
        *(_of_one(asker, *exam) for exam in _OF_ONE),
        _of_training(asker),
        *(_of_two(asker, exam, ask) for exam, ask in _OF_TWO.items()),
        _after_talk(asker),
        _before_others(asker),
        _case(BLIND, "no picture at all", lang, [*_small_talk(asker, 2), _step(asker, blind(asker))]),
        _one_too_many(asker),
        *(_manners(asker, topic, exam) for topic, exam in _SELF.items()),
    ]


def _case(skill: str, exam: str, lang: Lang, steps: Sequence[Step]) -> Case:
    return Case(skill, exam, lang, tuple(steps), longest=64)


def _step(asker: Asker, question: Question, *pictures: Picture, judged: bool = True) -> ShownStep:
    """The question in a held-out phrasing, with these pictures."""
    scene = Scene(asker.rng, asker.lang, held=True)
    line = placed(asker.rng, worded(scene, question)[0], len(pictures)) if pictures else worded(scene, question)[0]
    return ShownStep(line, right_answer(question, asker.lang) if judged else None, pictures=pictures)


def _of_one(asker: Asker, skill: str, exam: str, make: Make, ask: Ask) -> Case:
    while True:
        picture = make(asker.rng, held=True)
        found = ask(asker, picture)
        if found is not None and found.reply != "see.count.none":
            return _case(skill, exam, asker.lang, [_step(asker, found, picture)])


def _of_training(asker: Asker) -> Case:
    picture = alone(asker.rng)
    return _case(TRAINED, "", asker.lang, [_step(asker, look(asker, picture), picture)])


def _of_two(asker: Asker, exam: str, ask: Callable[[Asker, Picture, Picture], Question | None]) -> Case:
    while (found := ask(asker, *(two := two_pictures(asker.rng, held=True)))) is None:
        pass
    return _case(COMPARES, exam, asker.lang, [_step(asker, found, *two)])


def _any_picture(asker: Asker) -> Picture:
    return asker.rng.choice((alone, alone, alike))(asker.rng, held=True)


def _shown(asker: Asker) -> ShownStep:
    """A picture and a question about it that is not judged."""
    picture = _any_picture(asker)
    return _step(asker, ask_one(asker, picture), picture, judged=False)


def _small_talk(asker: Asker, most: int, least: int = 0) -> list[Step]:
    talk = Talk(Scene(asker.rng, asker.lang))
    return [Step(chat(talk).user) for _ in range(asker.rng.randint(least, most))]


def _after_talk(asker: Asker) -> Case:
    """One picture, some talk, then a question about the picture."""
    shown = _shown(asker)
    question = ago(asker, *shown.pictures) if asker.rng.random() < 0.5 else of_nth(asker, shown.pictures, 0)
    steps = [shown, *_small_talk(asker, 4, 1), _step(asker, question)]
    return _case(EARLIER, "after small talk", asker.lang, steps)


def _before_others(asker: Asker) -> Case:
    """Two or three pictures, then a question about one that is not the last."""
    shown = [_shown(asker) for _ in range(asker.rng.randint(2, 3))]
    pictures = [picture for step in shown for picture in step.pictures]
    steps = [shown[0], *_small_talk(asker, 1), *shown[1:], *_small_talk(asker, 1)]
    asked = _step(asker, of_nth(asker, pictures, asker.rng.randrange(len(pictures) - 1)))
    return _case(EARLIER, "before other pictures", asker.lang, [*steps, asked])


def _one_too_many(asker: Asker) -> Case:
    shown = [_shown(asker) for _ in range(asker.rng.randint(1, 2))]
    return _case(BLIND, "no such picture", asker.lang, [*shown, _step(asker, too_far(asker, len(shown)))])


def _manners(asker: Asker, topic: str, exam: str) -> Case:
    topics = ("sight.intro", "sight.kind") if topic in ("intro", "kind") else (f"sight.{topic}",)
    line = Scene(asker.rng, asker.lang, held=True).line(topic)
    return _case(OTHERS[3], exam, asker.lang, [Step(line, says(asker.lang, *topics))])
