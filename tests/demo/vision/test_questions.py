"""Questions: every answer agrees with the picture, as coordinates and counts tell it."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from demo.exams.case import Reply
from demo.grammar import LANGS, Lang
from demo.scene import Scene
from demo.vision.exams import right_answer
from demo.vision.picture import Picture, Thing, alike, alone, mixed, pair, sized
from demo.vision.plots import two_pictures, worded
from demo.vision.questions import OF_ONE, Asker, Question, ask_one, compare, of_nth
from demo.vision.words import name_of, said, shape_of
from hypothesis import given, settings
from hypothesis import strategies as st

seeds = st.integers(0, 10**9)
langs = st.sampled_from(LANGS)


def a_picture(rng: Random) -> Picture:
    return rng.choice((alone, alike, mixed, pair, sized, lambda r: alone(r, digit=True)))(rng)


def named(question: Question, slot: str, picture: Picture, lang: Lang) -> Thing:
    """The thing that a slot names, whether or not its Chinese name has the little joint."""
    words = question.slots[slot].replace("的", "")
    return next(t for t in picture.things if name_of(t.kind, lang).replace("的", "") == words)


def counts(question: Question, picture: Picture, answer: str, lang: Lang) -> bool:
    words = question.slots["kinds"]
    whole = lambda kind: words.startswith(name_of(kind, lang))  # noqa: E731
    part = lambda kind: words.startswith(shape_of(kind, lang))  # noqa: E731
    number = len(picture.things)
    if question.topic == "see.count.kind":
        number = sum(whole(kind) or part(kind) for kind in picture.kinds)
    return said(answer, "verdict", lang) == {"no"} if not number else said(answer, "count", lang) == {str(number)}


def placed(question: Question, picture: Picture, answer: str, lang: Lang) -> bool:
    one, other = (named(question, slot, picture, lang) for slot in ("one", "other"))
    dx, dy = one.x - other.x, one.y - other.y
    side = ("left" if dx < 0 else "right") if abs(dx) > abs(dy) else ("above" if dy < 0 else "below")
    if question.topic == "see.where.what":
        return said(answer, "shape", lang) == {one.kind.shape} and said(question.slots["side"], "side", lang) == {side}
    agrees = said(answer, "side", lang) == {side}
    if question.topic == "see.where.is":
        claimed = said(question.slots["side"], "side", lang) == {side}
        agrees &= said(answer, "verdict", lang) == {"yes" if claimed else "no"}
    return agrees


def names_all(question: Question, picture: Picture, answer: str, lang: Lang) -> bool:
    numbers = said(answer, "count", lang)
    shapes = {kind.shape for kind in picture.kinds}
    return shapes <= said(answer, "shape", lang) and all(
        str(n) in numbers for n in Counter(picture.kinds).values() if n > 1
    )


def sizes(question: Question, picture: Picture, answer: str, lang: Lang) -> bool:
    small, big = sorted(picture.things, key=lambda thing: thing.radius)
    wanted = big if question.topic == "see.bigger" else small
    return named(question, "one", picture, lang) == wanted and said(answer, "shape", lang) == {wanted.kind.shape}


def guesses(question: Question, picture: Picture, answer: str, lang: Lang) -> bool:
    guess = question.slots["a_guess"]
    right = any(
        said(guess, "shape", lang) <= {kind.shape} and said(guess, "colour", lang) <= {kind.colour}
        for kind in picture.kinds
    )
    return said(answer, "verdict", lang) == {"yes" if right else "no"} or (lang == "zh" and right and answer[0] == "有")


def hue_of(question: Question, picture: Picture, answer: str, lang: Lang) -> bool:
    (kind,) = (kind for kind in picture.kinds if shape_of(kind, lang) == question.slots["shape"])
    return said(answer, "colour", lang) == {kind.colour}


def says_what(statement: str) -> Callable[[Question, Picture, str, Lang], bool]:
    def agrees(_: Question, picture: Picture, answer: str, lang: Lang) -> bool:
        return said(answer, statement, lang) == {getattr(picture.kinds[0], statement)}

    return agrees


AGREES: dict[str, Callable[[Question, Picture, str, Lang], bool]] = {
    "see.look": names_all,
    "see.hue": says_what("colour"),
    "see.hue.of": hue_of,
    "see.shape": says_what("shape"),
    "see.digit": says_what("shape"),
    "see.is": guesses,
    "see.there": guesses,
    "see.count": counts,
    "see.count.kind": counts,
    "see.where.is": placed,
    "see.where.at": placed,
    "see.where.what": placed,
    "see.bigger": sizes,
    "see.smaller": sizes,
}


@settings(max_examples=600, deadline=None)
@given(seeds, langs)
def test_every_answer_agrees_with_the_picture(seed: int, lang: Lang):
    rng = Random(seed)
    picture = a_picture(rng)
    question = ask_one(Asker(rng, lang), picture)
    user, answer = worded(Scene(rng, lang), question)
    assert AGREES[question.topic](question, picture, answer, lang), (user, answer, picture.kinds)


@settings(max_examples=300, deadline=None)
@given(seeds, langs)
def test_every_answer_that_is_written_is_judged_right(seed: int, lang: Lang):
    rng = Random(seed)
    picture, two = a_picture(rng), two_pictures(rng)
    asker = Asker(rng, lang)
    for question in (ask_one(asker, picture), compare(asker, *two), of_nth(asker, [*two, picture], rng.randrange(3))):
        answer = worded(Scene(rng, lang), question)[1]
        assert right_answer(question, lang)(Reply(answer)), (question, answer)


@settings(max_examples=300, deadline=None)
@given(seeds, langs)
def test_what_two_pictures_are_compared_by_agrees_with_both(seed: int, lang: Lang):
    rng = Random(seed)
    one, other = two_pictures(rng)
    question = compare(Asker(rng, lang), one, other)
    answer = worded(Scene(rng, lang), question)[1]
    if question.topic == "see.more":
        assert said(answer, "nth", lang) == {str(int(len(other.things) > len(one.things)))}
    elif question.topic == "see.shows":
        (at,) = said(answer, "nth", lang)
        shown = (one, other)[int(at)]
        assert named(question, "one", shown, lang).kind not in (other, one)[int(at)].kinds
    elif question.topic.startswith("see.same"):
        statement = "shape" if question.topic.endswith("shape") else "colour"
        alike_in_it = getattr(one.kinds[0], statement) == getattr(other.kinds[0], statement)
        assert said(answer, "verdict", lang) == {"yes" if alike_in_it else "no"}


@pytest.mark.parametrize("lang", LANGS)
def test_a_picture_called_by_its_number_is_the_one_that_is_told(lang: Lang):
    rng = Random(6)
    for _ in range(100):
        pictures = [alone(rng) for _ in range(3)]
        at = rng.randrange(3)
        question = of_nth(Asker(rng, lang), pictures, at)
        for statement, says in question.true.items():
            kind = pictures[at].kinds[0]
            assert says == {"1" if statement == "count" else getattr(kind, statement)}


def test_every_kind_of_question_is_asked():
    rng = Random(7)
    topics = {ask_one(Asker(rng, "en"), a_picture(rng)).topic for _ in range(3000)}
    assert topics == set(AGREES)
    assert len(OF_ONE) == len(topics) - 1  # bigger and smaller are one
