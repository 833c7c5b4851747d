"""What stands in the slots of the grammar: names, cities, things, numbers, words, pastes."""

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Final

from demo.grammar import Lang, fill, load_grammar, pairs, wording
from demo.held import is_held_make
from demo.names import draw_name
from demo.sentences import (
    WORDS,
    clause,
    code,
    mash,
    noun_phrase,
    paste,
    place,
    sentence,
    strange_word,
    url,
    word,
)
from demo.split import held_value
from demo.words import ENGLISH, gb2312_chars

FACTS: Final = ("name", "city", "colour", "thing", "number")  # what the demo remembers of its user
_VOWELS: Final = (*"aeiouAEIOU", "honest", "hour")
_EDGE: Final = " .,!?;:。，！？；：、\"'“”"


def draw(slot: str, rng: Random, lang: Lang, *, held: bool = False) -> str:
    """One value for a slot of the grammar; `x2` is drawn as `x`, `held` takes those kept out of training."""
    if slot in _FACTS:
        return _FACTS[slot](rng, lang, held)
    return _SLOTS[slot if slot in _SLOTS else slot.rstrip("2")](rng, lang)


def draw_thing(rng: Random, lang: Lang, *, held: bool = False) -> tuple[str, str]:
    """A thing one may own: with its article or measure word, and bare."""
    while True:
        noun, measure = rng.choice(_things(lang))
        if rng.random() < 0.2:
            noun, measure = strange_word(rng, lang), "一个"
        adjective = rng.choice(WORDS[lang].adjectives) if rng.random() < 0.4 else ""
        joint = (" " if lang == "en" else "的") if adjective else ""
        bare = f"{adjective}{joint}{noun}"
        if bare and held_value("thing", bare) == held and not is_held_make(bare):
            return (f"{_article(bare)} {bare}" if lang == "en" else f"{measure}{bare}"), bare


@cache
def _things(lang: Lang) -> tuple[tuple[str, str], ...]:
    return pairs(lang, "things")


def _article(text: str) -> str:
    return "an" if text.startswith(_VOWELS) and not text.startswith(("uni", "use", "eu", "one")) else "a"


def _city(rng: Random, lang: Lang, held: bool) -> str:
    while True:
        found = rng.choice(load_grammar(lang)["cities"].answers) if rng.random() < 0.6 else draw_name(rng, lang)
        if held_value("city", found) == held and (held or not is_held_make(found)):
            return found


def _colour(rng: Random, lang: Lang, held: bool) -> str:
    while held_value("colour", found := _any_colour(rng, lang)) != held:
        pass
    return found


def _any_colour(rng: Random, lang: Lang) -> str:
    """A colour of the list, sometimes a shade of it or one that is named after something: dusty teal, penguin grey."""
    topics, roll = load_grammar(lang), rng.random()
    if roll < 0.7:
        return rng.choice(topics["colours"].answers)
    shade = rng.choice(topics["shades"].answers if roll < 0.88 else WORDS[lang].nouns)
    base = rng.choice(topics["base colours"].answers)
    return f"{shade} {base}" if lang == "en" else shade + base


def _number(rng: Random, _lang: Lang, held: bool) -> str:
    while held_value("number", found := str(rng.randint(0, 10 ** rng.randint(1, 6)))) != held:
        pass
    return found


_FACTS: Final[dict[str, Callable[[Random, Lang, bool], str]]] = {
    "name": lambda rng, lang, held: draw_name(rng, lang, held=held),
    "me": lambda rng, lang, held: draw_name(rng, lang, held=held),
    "city": _city,
    "colour": _colour,
    "number": _number,
}


def string(rng: Random, lang: Lang, *, held: bool = False) -> str:
    """A string to spell: mostly one word of at most fourteen characters, of any make of training."""
    while True:
        text = word(rng, lang) if rng.random() < 0.2 else draw_name(rng, lang, held=held)
        if 2 <= len(text) <= 14 and held_value("name", text) == held and not is_held_make(text):
            return text


def saying(rng: Random, lang: Lang) -> str:
    """Something to repeat, without punctuation at its edges."""
    makers: tuple[tuple[Callable[[Random, Lang], str], float], ...] = (
        (draw_name, 4),
        (clause, 3),
        (sentence, 1.5),
        (noun_phrase, 2),
        (word, 1.5),
        (mash, 1),
        (digits, 0.7),
    )
    while True:
        maker = rng.choices([m for m, _ in makers], [w for _, w in makers])[0]
        text = maker(rng, lang)[:70].strip(_EDGE)
        if text and not is_held_make(text):
            return text


def digits(rng: Random, _lang: Lang) -> str:
    """Digits, perhaps with a point."""
    whole = str(rng.randint(100, 10 ** rng.randint(3, 11)))
    return rng.choice((whole, f"{whole}.{rng.randint(0, 99)}"))


def job(rng: Random, lang: Lang) -> str:
    """A trade, mostly a known one."""
    return rng.choice(WORDS[lang].jobs) if lang == "zh" or rng.random() < 0.8 else word(rng, lang)


def state(rng: Random, lang: Lang) -> str:
    """How somebody is: a known word, or one that only looks like it."""
    if rng.random() < 0.6:
        return rng.choice(WORDS[lang].states)
    if lang == "zh":
        return "".join(rng.choices(gb2312_chars(1), k=2))
    stem = rng.choice((strange_word(rng, "en").split()[0][:7], rng.choice(ENGLISH.verbs)))
    return stem + rng.choice(["ed", "ed", "ed", "ated", "ing", "ful", "less", "ous", "ish", "able"])


def _said(rng: Random, lang: Lang) -> str:
    """A sentence with its full stop: of the grammar's chatter, or made of words."""
    if rng.random() < 0.6:
        return sentence(rng, lang)
    line = wording(rng.choice(load_grammar(lang)["chatter"].users), rng, held=False) or "{n}"
    text = fill(line, lambda slot: draw(slot, rng, lang))
    return text if not text[-1].isalnum() else text + ("." if lang == "en" else "。")


def _noun(rng: Random, lang: Lang) -> str:
    return strange_word(rng, lang) if rng.random() < 0.15 else rng.choice(WORDS[lang].nouns)


def _small(rng: Random, _lang: Lang) -> str:
    return str(rng.randint(0, 99))


_SLOTS: Final[dict[str, Callable[[Random, Lang], str]]] = {
    "x": noun_phrase,
    "subject": noun_phrase,
    "place": place,
    "job": job,
    "state": state,
    "adj": lambda rng, lang: rng.choice(WORDS[lang].adjectives),
    "word": word,
    "fill": _said,
    "fill2": clause,
    "long": paste,
    "mash": mash,
    "code": code,
    "url": url,
    "say": saying,
    "n": _noun,
    "v": lambda rng, lang: rng.choice(WORDS[lang].verbs),
    "year": lambda rng, _lang: str(rng.randint(1000, 2099)),
    "a": _small,
    "b": _small,
    "big": lambda rng, _lang: str(rng.randint(100, rng.choice((199, 999, 9999)))),
    "other": draw_name,
}
