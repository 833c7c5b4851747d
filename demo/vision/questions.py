"""Questions about pictures, each with its right answer: as slots of the grammar, and as statements for a judge."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeAlias

from demo.grammar import Lang
from demo.vision.picture import DIGITS, OPPOSITE, SIDES, Kind, Picture, Side, Thing, bigger, draw_kind
from demo.vision.words import (
    NTH,
    capital,
    colour_of,
    how_many,
    joined,
    many_of,
    name_of,
    one_of,
    shape_of,
    side_words,
    some_of,
)

Truth: TypeAlias = Mapping[
    str, frozenset[str]
]  # kind of statement -> what the answer says of that kind, no less, no more


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked and what is answered."""

    topic: str  # the section of the grammar that asks
    reply: str  # the section that answers
    true: Truth = field(default_factory=dict[str, frozenset[str]])  # empty: any line of `reply` is right
    slots: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the dice, the language, and whether held-out pairs may be named."""

    rng: Random
    lang: Lang
    held: bool = False

    def slots(self, **words: str) -> dict[str, str]:
        """The slots, each in capitals too."""
        return words | {capital(slot): capital(text) for slot, text in words.items()}

    def named(self, kind: Kind, slot: str = "one") -> dict[str, str]:
        """Slots that name a kind, in Chinese with or without its little joint."""
        words = name_of(kind, self.lang)
        if self.lang == "zh" and self.rng.random() < 0.4:
            words = words.replace("的", "")
        return self.slots(**{slot: words, f"a_{slot}": one_of(words, self.lang)})


Ask: TypeAlias = Callable[[Asker, Picture], Question | None]  # None: not to be asked of this picture


def truth(**statements: str | Sequence[str]) -> Truth:
    """What the answer says of each kind of statement."""
    return {name: frozenset([says] if isinstance(says, str) else says) for name, says in statements.items()}


def kind_truth(*kinds: Kind) -> Truth:
    """The answer names exactly these."""
    return truth(shape=[kind.shape for kind in kinds], colour=[kind.colour for kind in kinds])


def seen(picture: Picture, lang: Lang) -> str:
    """Everything in the picture in words, from left to right, those of one kind together."""
    counts = Counter(picture.kinds)
    parts = [
        one_of(name_of(kind, lang), lang) if count == 1 else some_of(count, name_of(kind, lang), lang)
        for kind, count in counts.items()
    ]
    return joined(parts, lang)


def look(asker: Asker, picture: Picture) -> Question:
    """What is it, all in all?"""
    kinds, lang = picture.kinds, asker.lang
    slots = asker.slots(a_seen=seen(picture, lang), many=how_many(len(kinds), lang))
    if len(kinds) == 1 and kinds[0].shape not in DIGITS and asker.rng.random() < 0.25:
        slots |= asker.slots(shape=(words := shape_of(kinds[0], lang)), a_shape=one_of(words, lang))
        slots |= asker.slots(hue=colour_of(kinds[0].colour, lang))
        return Question("see.look", "see.look.turned", kind_truth(*kinds), slots)
    if len(set(kinds)) > 1 and len(kinds) > 2:
        return Question("see.look", "see.look.many", kind_truth(*kinds), slots)
    several = truth(count=str(len(kinds))) if len(set(kinds)) < len(kinds) else {}
    return Question("see.look", "see.look", {**kind_truth(*kinds), **several}, slots)


def hue(asker: Asker, picture: Picture) -> Question | None:
    """Which colour?"""
    if len(picture.things) != 1:
        return None
    colour = picture.kinds[0].colour
    return Question("see.hue", "see.hue", truth(colour=colour), asker.slots(hue=colour_of(colour, asker.lang)))


def hue_of(asker: Asker, picture: Picture) -> Question | None:
    """Which colour has the circle? Of a shape that is there once, alone or among others."""
    shapes = Counter(kind.shape for kind in picture.kinds)
    once = [kind for kind in picture.kinds if shapes[kind.shape] == 1 and kind.shape not in DIGITS]
    if not once:
        return None
    kind = asker.rng.choice(once)
    slots = asker.slots(shape=shape_of(kind, asker.lang), hue=colour_of(kind.colour, asker.lang))
    return Question("see.hue.of", "see.hue", truth(colour=kind.colour), slots)


def shape(asker: Asker, picture: Picture) -> Question | None:
    """Which shape?"""
    if len(picture.things) != 1 or picture.kinds[0].shape in DIGITS:
        return None
    words = shape_of(picture.kinds[0], asker.lang)
    slots = asker.slots(shape=words, a_shape=one_of(words, asker.lang))
    return Question("see.shape", "see.shape", truth(shape=picture.kinds[0].shape), slots)


def digit(asker: Asker, picture: Picture) -> Question | None:
    """Which digit?"""
    if len(picture.things) != 1 or picture.kinds[0].shape not in DIGITS:
        return None
    return Question(
        "see.digit", "see.digit", truth(shape=picture.kinds[0].shape), asker.slots(digit=picture.kinds[0].shape)
    )


def is_it(asker: Asker, picture: Picture) -> Question | None:
    """Is it this? A colour, a shape or both, which may be wrong."""
    if len(picture.things) != 1 or picture.kinds[0].shape in DIGITS:
        return None
    kind, lang = picture.kinds[0], asker.lang
    guess = kind if asker.rng.random() < 0.4 else draw_kind(asker.rng, held=asker.held)
    words, right = asker.rng.choice(
        (
            (one_of(name_of(guess, lang), lang), guess == kind),
            (one_of(shape_of(guess, lang), lang), guess.shape == kind.shape),
            (colour_of(guess.colour, lang), guess.colour == kind.colour),
        )
    )
    verdict = "yes" if right else "no"
    slots = asker.slots(a_guess=words, a_seen=seen(picture, lang))
    return Question("see.is", f"see.is.{verdict}", {**truth(verdict=verdict), **kind_truth(kind)}, slots)


def there(asker: Asker, picture: Picture) -> Question | None:
    """Is there one of these anywhere?"""
    kind = asker.rng.choice(picture.kinds) if asker.rng.random() < 0.5 else draw_kind(asker.rng, held=asker.held)
    if kind.shape in DIGITS:
        return None
    whole = asker.rng.random() < 0.3
    words = name_of(kind, asker.lang) if whole else shape_of(kind, asker.lang)
    right = kind in picture.kinds if whole else any(kind.shape == other.shape for other in picture.kinds)
    slots = asker.slots(guess=words, a_guess=one_of(words, asker.lang))
    return Question(
        "see.there", f"see.there.{'yes' if right else 'no'}", truth(verdict="yes" if right else "no"), slots
    )


def count(asker: Asker, picture: Picture) -> Question | None:
    """How many, of whatever kind?"""
    words = {"en": ("thing", "shape"), "zh": ("图形", "东西")}[asker.lang]
    if len(set(picture.kinds)) == 1 and picture.kinds[0].shape not in DIGITS:
        words = (shape_of(picture.kinds[0], asker.lang), name_of(picture.kinds[0], asker.lang))
    number = len(picture.things)
    return Question(
        "see.count", "see.count", truth(count=str(number)), _counted(asker, number, asker.rng.choice(words))
    )


def _counted(asker: Asker, number: int, words: str) -> dict[str, str]:
    kinds = many_of(words) if asker.lang == "en" else words
    counted, many = some_of(number, words, asker.lang), how_many(number, asker.lang)
    return asker.slots(kinds=kinds, counted=counted, many=many)


def count_kind(asker: Asker, picture: Picture) -> Question | None:
    """How many of this shape or of this shape and colour? At times none."""
    kind = asker.rng.choice(picture.kinds) if asker.rng.random() < 0.85 else draw_kind(asker.rng, held=asker.held)
    if kind.shape in DIGITS:
        return None
    whole = asker.rng.random() < 0.4
    number = sum(other == kind if whole else other.shape == kind.shape for other in picture.kinds)
    slots = _counted(asker, number, name_of(kind, asker.lang) if whole else shape_of(kind, asker.lang))
    if number == 0:
        return Question("see.count.kind", "see.count.none", truth(verdict="no"), slots)
    return Question("see.count.kind", "see.count.kind", truth(count=str(number)), slots)


def _two(asker: Asker, picture: Picture) -> tuple[Thing, Thing] | None:
    """Two things that differ, in any order."""
    if len(picture.things) != 2 or len(set(picture.kinds)) != 2:
        return None
    one, other = asker.rng.sample(picture.things, 2)
    return one, other


def where_is(asker: Asker, picture: Picture) -> Question | None:
    """Is one on this side of the other? Where it is not, it is mostly on the opposite one."""
    if (two := _two(asker, picture)) is None or (really := two[0].side_of(two[1])) is None:
        return None
    wrong: Side = OPPOSITE[really]
    if asker.rng.random() < 0.3:
        wrong = asker.rng.choice([side for side in SIDES if side != really])
    side = really if asker.rng.random() < 0.5 else wrong
    verdict = "yes" if side == really else "no"
    slots = {
        **asker.named(two[0].kind),
        **asker.named(two[1].kind, "other"),
        **asker.slots(side=side_words(side, asker.lang), really=side_words(really, asker.lang)),
    }
    return Question("see.where.is", f"see.where.{verdict}", truth(verdict=verdict, side=really), slots)


def where_at(asker: Asker, picture: Picture) -> Question | None:
    """Where is one?"""
    if (two := _two(asker, picture)) is None or (really := two[0].side_of(two[1])) is None:
        return None
    slots = asker.named(two[0].kind) | asker.named(two[1].kind, "other")
    slots |= asker.slots(really=side_words(really, asker.lang))
    return Question("see.where.at", "see.where.at", truth(side=really), slots)


def where_what(asker: Asker, picture: Picture) -> Question | None:
    """What is on this side of the other?"""
    if (two := _two(asker, picture)) is None or (side := two[0].side_of(two[1])) is None:
        return None
    slots = asker.named(two[0].kind) | asker.named(two[1].kind, "other")
    slots |= asker.slots(side=side_words(side, asker.lang))
    return Question("see.where.what", "see.where.what", kind_truth(two[0].kind), slots)


def size(asker: Asker, picture: Picture) -> Question | None:
    """Which of two is bigger, or smaller?"""
    if (found := bigger(picture)) is None or len(set(picture.kinds)) != 2:
        return None
    topic = asker.rng.choice(("see.bigger", "see.smaller"))
    kind = found[topic == "see.smaller"].kind
    return Question(topic, topic, kind_truth(kind), asker.named(kind))


# What may be asked of one picture, with its weight.
OF_ONE: Final[Mapping[Ask, float]] = {
    look: 3.0,
    hue: 2.0,
    hue_of: 1.5,
    shape: 2.0,
    digit: 5.0,
    is_it: 1.5,
    there: 1.5,
    count: 2.5,
    count_kind: 2.5,
    where_is: 4.0,
    where_at: 2.5,
    where_what: 2.5,
    size: 4.0,
}


def ask_one(asker: Asker, picture: Picture) -> Question:
    """Any question that this picture answers."""
    asks = list(OF_ONE)
    while True:
        found = asker.rng.choices(asks, list(OF_ONE.values()))[0](asker, picture)
        if found is not None:
            return found


def of_nth(asker: Asker, pictures: Sequence[Picture], at: int) -> Question:
    """A question about one of the pictures shown so far, called by its number."""
    asks: list[Ask] = [look, hue, shape, count]
    while (found := asker.rng.choice(asks)(asker, pictures[at])) is None:
        pass
    return Question(
        found.topic.replace("see.", "see.nth."), found.reply, found.true, {**found.slots, "nth": NTH[asker.lang][at]}
    )


def compare(asker: Asker, one: Picture, other: Picture) -> Question:
    """A question that needs both pictures of a turn; it falls back to one about one of them."""
    asks = [same_shape, same_hue, more, shows]
    asker.rng.shuffle(asks)
    return next(found for ask in (*asks, _nth_of_two) if (found := ask(asker, one, other)) is not None)


def _nth_of_two(asker: Asker, one: Picture, other: Picture) -> Question | None:
    return of_nth(asker, (one, other), asker.rng.randrange(2))


def same_shape(asker: Asker, one: Picture, other: Picture) -> Question | None:
    """Do both show one shape?"""
    if len(one.things) != 1 or len(other.things) != 1:
        return None
    words = [one_of(shape_of(picture.kinds[0], asker.lang), asker.lang) for picture in (one, other)]
    return _same(asker, "shape", words, [picture.kinds[0].shape for picture in (one, other)])


def same_hue(asker: Asker, one: Picture, other: Picture) -> Question | None:
    """Are both of one colour?"""
    if len(one.things) != 1 or len(other.things) != 1:
        return None
    words = [colour_of(picture.kinds[0].colour, asker.lang) for picture in (one, other)]
    return _same(asker, "hue", words, [picture.kinds[0].colour for picture in (one, other)])


def _same(asker: Asker, what: str, words: Sequence[str], said: Sequence[str]) -> Question:
    alike = said[0] == said[1]
    slots = asker.slots(both=words[0], first_is=words[0], second_is=words[1])
    verdict = "yes" if alike else "no"
    statements = {"verdict": verdict, "shape" if what == "shape" else "colour": said}
    return Question(f"see.same.{what}", f"see.same.{verdict}", truth(**statements), slots)


def more(asker: Asker, one: Picture, other: Picture) -> Question | None:
    """Which picture has more things?"""
    if len(one.things) == len(other.things):
        return None
    return _pointing(asker, "see.more", int(len(other.things) > len(one.things)), {})


def shows(asker: Asker, one: Picture, other: Picture) -> Question | None:
    """Which picture shows this?"""
    at = asker.rng.randrange(2)
    kinds = [kind for kind in (one, other)[at].kinds if kind not in (one, other)[1 - at].kinds]
    if not kinds:
        return None
    return _pointing(asker, "see.shows", at, asker.named(asker.rng.choice(kinds)))


def _pointing(asker: Asker, topic: str, at: int, slots: Mapping[str, str]) -> Question:
    return Question(topic, topic, truth(nth=str(at)), {**slots, **asker.slots(nth=NTH[asker.lang][at])})


def ago(asker: Asker, picture: Picture) -> Question:
    """What was in the one picture that was shown some turns ago?"""
    found = look(asker, picture)
    return Question("see.ago.look", found.reply, found.true, found.slots)
