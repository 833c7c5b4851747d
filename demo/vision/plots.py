"""The plots of dialogues: pictures shown one by one or two at once, asked about now and later, and small talk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from demo.grammar import Lang
from demo.scene import Scene
from demo.turns import Dialogue, Turn
from demo.vision.picture import (
    COLOURS,
    MOST,
    SHAPES,
    Kind,
    Picture,
    alike,
    alone,
    arranged,
    draw_kind,
    mixed,
    pair,
    sized,
)
from demo.vision.questions import Asker, Question, ago, ask_one, compare, of_nth
from demo.vision.words import NTH

PLACE: Final = "\N{OBJECT REPLACEMENT CHARACTER}"  # where a picture stands in the user's line

# What is typed, by its section of the grammar, and the section that answers, with its weight.
SMALL_TALK: Final[Mapping[str, tuple[str, float]]] = {
    "greet": ("sight.greet", 5),
    "bye": ("bye", 2),
    "thanks": ("thanks", 3),
    "howareyou": ("howareyou", 2),
    "intro": ("sight.intro", 4),
    "kind": ("sight.kind", 4),
    "able": ("sight.able", 4),
    "cannot": ("sight.cannot", 3),
    "myname": ("myname", 1.5),
    "load": ("load", 2),
    "tell.name": ("sight.met", 1.5),
    "ask.name": ("sight.forgot", 1),
    "unknown": ("sight.dontknow", 4),
    "chatter": ("hear", 3),
    "ack": ("sight.ack", 3),
    "laugh": ("sight.ack", 1),
    "yes": ("sight.ack", 1),
    "no": ("sight.ack", 1),
    **dict.fromkeys(("praise", "scold", "insult", "sorry"), ("", 1.0)),
    **dict.fromkeys(("good", "tired", "sad", "hungry", "busy", "like", "animal", "food", "age", "where"), ("", 0.7)),
}
_PICTURES: Final[Mapping[Callable[[Random], Picture], float]] = {
    alone: 38,
    lambda rng: alone(rng, digit=True): 11,
    alike: 16,
    mixed: 14,
    pair: 15,
    sized: 6,
}


@dataclass(frozen=True, slots=True)
class Shown(Turn):
    """A turn that may show pictures: one at each PLACE of the user's line."""

    pictures: tuple[Picture, ...] = ()


@dataclass(slots=True)
class Talk:
    """A dialogue under way: what has been shown so far."""

    scene: Scene
    pictures: list[Picture] = field(default_factory=list[Picture])  # all, in their order
    latest: int = 0  # how many of them came in the last turn that showed any

    @property
    def asker(self) -> Asker:
        """Who asks about pictures in this talk."""
        return Asker(self.scene.rng, self.scene.lang, self.scene.held)

    def turn(self, question: Question, pictures: Sequence[Picture] = ()) -> Shown:
        """The turn that asks this, showing these pictures."""
        user, answer = worded(self.scene, question)
        if pictures:
            self.pictures += pictures
            self.latest = len(pictures)
            user = placed(self.scene.rng, user, len(pictures))
        return Shown(user, answer, pictures=tuple(pictures))


def worded(scene: Scene, question: Question) -> tuple[str, str]:
    """The question as typed, and an answer.

    What the answer may wish for is any pair, held out of the pictures or not: words alone are to forbid none.
    """
    wish = Kind(scene.rng.choice(SHAPES), scene.rng.choice(COLOURS))
    scene.slots = {**Asker(scene.rng, scene.lang).named(wish, "wish"), **question.slots}
    return scene.line(question.topic), scene.answer(question.reply)


def placed(rng: Random, line: str, count: int) -> str:
    """The line with so many pictures before it, mostly, or after it."""
    roll, marks = rng.random(), PLACE * count
    if roll < 0.16:
        return line + marks
    return f"{marks}\n{line}" if roll < 0.3 else marks + line


def chat(talk: Talk) -> Turn:
    """Small talk."""
    topics = list(SMALL_TALK)
    topic = talk.scene.rng.choices(topics, [weight for _, weight in SMALL_TALK.values()])[0]
    user, answer = worded(talk.scene, Question(topic, SMALL_TALK[topic][0] or topic))
    return Turn(user, answer)


def show_one(talk: Talk) -> Turn:
    """A picture and a question about it; at times the picture alone, which asks what it is."""
    rng = talk.scene.rng
    picture = rng.choices(list(_PICTURES), list(_PICTURES.values()))[0](rng)
    turn = talk.turn(ask_one(talk.asker, picture), [picture])
    if rng.random() < 0.05:
        talk.scene.slots = {}
        return Shown(PLACE, worded(talk.scene, _plain_look(talk.asker, picture))[1], pictures=(picture,))
    return turn


def _plain_look(asker: Asker, picture: Picture) -> Question:
    found = ago(asker, picture)
    return Question("see.look", found.reply, found.true, found.slots)


def show_two(talk: Talk) -> Turn:
    """Two pictures and a question that needs both, or one about one of them."""
    rng = talk.scene.rng
    two = two_pictures(rng)
    many = len(talk.pictures) + 2
    if many <= len(NTH["en"]) and not talk.pictures and rng.random() < 0.25:
        return talk.turn(of_nth(talk.asker, two, rng.randrange(2)), two)
    return talk.turn(compare(talk.asker, *two), two)


def two_pictures(rng: Random, *, held: bool = False) -> tuple[Picture, Picture]:
    """Two to compare: single things, as often alike in shape or colour as not, or numbers of things."""
    if rng.random() < 0.4:
        one, other = alike(rng, held=held), rng.choice((alike, mixed))(rng, held=held)
        return (one, other) if rng.random() < 0.5 else (other, one)
    kind = draw_kind(rng, held=held)
    return arranged(rng, [kind]), arranged(rng, [_akin(rng, kind, held=held)])


def _akin(rng: Random, kind: Kind, *, held: bool) -> Kind:
    """A kind of the same shape, of the same colour, or any."""
    wanted = rng.choice(("shape", "colour", "any", "any"))
    while True:
        found = draw_kind(rng, held=held)
        if wanted == "any" or getattr(found, wanted) == getattr(kind, wanted):
            return found


def ask_again(talk: Talk) -> Turn:
    """A further question about what was shown last."""
    if not talk.latest:
        return ask_blind(talk)
    if talk.latest == 1:
        return talk.turn(ask_one(talk.asker, talk.pictures[-1]))
    return talk.turn(compare(talk.asker, talk.pictures[-2], talk.pictures[-1]))


def ask_back(talk: Talk) -> Turn:
    """A question about a picture called by its number, at times by one that is not there."""
    known, rng = min(len(talk.pictures), MOST), talk.scene.rng
    if not known:
        return ask_blind(talk)
    if known == 1 and rng.random() < 0.7:
        return talk.turn(ago(talk.asker, talk.pictures[0]))
    if known < 4 and rng.random() < 0.1:
        return talk.turn(too_far(talk.asker, known))
    return talk.turn(of_nth(talk.asker, talk.pictures, rng.randrange(known)))


def too_far(asker: Asker, known: int) -> Question:
    """A question about the picture after the last."""
    topic = asker.rng.choice(("see.nth.look", "see.nth.hue", "see.nth.shape", "see.nth.count"))
    return Question(topic, "see.fewer", slots={"nth": NTH[asker.lang][known]})


def ask_blind(talk: Talk) -> Turn:
    """A question about a picture where there is none."""
    return talk.turn(blind(talk.asker))


def blind(asker: Asker) -> Question:
    """Any question about pictures, to be answered with there being none."""
    rng = asker.rng
    if rng.random() < 0.25:
        topic = rng.choice(("see.nth.look", "see.nth.hue", "see.nth.shape", "see.nth.count"))
        return Question(topic, "see.blind", slots={"nth": rng.choice(NTH[asker.lang][:3])})
    if rng.random() < 0.3:
        found = compare(asker, *two_pictures(rng, held=asker.held))
    else:
        found = ask_one(asker, rng.choice((alone, mixed, pair))(rng, held=asker.held))
    return Question(found.topic, "see.blind", slots=found.slots)


def _some(talk: Talk, skills: Mapping[Callable[[Talk], Turn], float], most: int) -> list[Turn]:
    rng = talk.scene.rng
    return [rng.choices(list(skills), list(skills.values()))[0](talk) for _ in range(rng.randint(0, most))]


def _of_one(talk: Talk) -> list[Turn]:
    """One picture, asked about in several ways."""
    before = _some(talk, {chat: 4, ask_blind: 1}, 1) if talk.scene.rng.random() < 0.4 else []
    return [*before, show_one(talk), *_some(talk, {ask_again: 4, chat: 1.2, ask_back: 0.8}, 4)]


def _gallery(talk: Talk) -> list[Turn]:
    """Pictures one after the other, and questions about earlier ones."""
    turns = [chat(talk)] if talk.scene.rng.random() < 0.25 else []
    for _ in range(talk.scene.rng.randint(2, 4)):
        turns += [show_one(talk), *_some(talk, {ask_again: 2, ask_back: 3, chat: 1}, 2)]
    return turns


def _compared(talk: Talk) -> list[Turn]:
    """Two pictures at once."""
    turns = [chat(talk)] if talk.scene.rng.random() < 0.25 else []
    if talk.scene.rng.random() < 0.15:
        turns.append(show_one(talk))
    return [*turns, show_two(talk), *_some(talk, {ask_again: 3, ask_back: 2, chat: 1}, 3)]


def _unseen(talk: Talk) -> list[Turn]:
    """Nothing to see yet, though it is asked about."""
    turns = [*_some(talk, {chat: 1}, 2), ask_blind(talk), *_some(talk, {chat: 2, ask_blind: 1}, 2)]
    return [*turns, show_one(talk), *_some(talk, {ask_again: 1}, 2)] if talk.scene.rng.random() < 0.5 else turns


def _chatting(talk: Talk) -> list[Turn]:
    return [chat(talk), *_some(talk, {chat: 6, ask_blind: 1}, 5)]


def _long(talk: Talk) -> list[Turn]:
    """Some pictures among much else; the corpus cuts it to the window."""
    turns: list[Turn] = []
    for _ in range(talk.scene.rng.randint(2, 5)):
        turns += [show_one(talk), *_some(talk, {chat: 3, ask_again: 2, ask_back: 3}, 9)]
    return turns


_PLOTS: Final[Mapping[Callable[[Talk], list[Turn]], float]] = {
    _of_one: 40,
    _gallery: 20,
    _compared: 20,
    _unseen: 7,
    _chatting: 9,
    _long: 4,
}


def write_dialogue(rng: Random, lang: Lang | None = None) -> Dialogue:
    """One dialogue of a random plot."""
    scene = Scene(rng, lang or rng.choice(("en", "zh")))
    system = scene.line("system.plain") if rng.random() < 0.2 else None
    return Dialogue(system, tuple(rng.choices(list(_PLOTS), list(_PLOTS.values()))[0](Talk(scene))))
