"""Kinds of tools made up on the spot, so that a schema has to be read and cannot be known."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Final

from demo.grammar import LANGS, Lang
from demo.split import held_value
from demo.tools.kinds import Kind, Param, Result, Split, Wording, pair_of, slots_of, split_wordings
from demo.tools.values import lines_of, pool, read_table
from demo.words import CHINESE, ENGLISH, gb2312_chars

_LINES: Final = 6  # wordings of each sort that one made-up tool is asked for with
_SYLLABLES: Final = (
    "ba be bi bo da do fa fi ga go ka ki ko la lo lu ma mi mo na ne no pa pi ra ro ru sa su ta ti vo wa zu".split()
)


@dataclass(frozen=True, slots=True)
class _Word:
    """A word in both languages, and as it may stand in the name of a tool."""

    en: str
    zh: str
    name: str = ""  # of what is in no alphabet

    @property
    def slug(self) -> str:
        return self.name or re.sub(r"\W+", "_", self.en.casefold())

    def in_lang(self, lang: Lang) -> str:
        return self.en if lang == "en" else self.zh


def draw_kind(rng: Random, lang: Lang, *, held: bool, beside: Kind | None = None) -> Kind:
    """A kind nobody wrote down, to be asked for in this language; `beside` one of the same family, taking the same."""
    families = list(read_table("procedural"))
    family = beside.id.split()[0] if beside is not None else rng.choices(families, (5, 2, 2, 2))[0]
    while True:
        kind = _kind(rng, family, _noun(rng, lang, family, held), held, beside, lang)
        if beside is None or kind.id != beside.id:
            return kind


def _noun(rng: Random, lang: Lang, family: str, held: bool) -> _Word:
    """A noun, one in four of them made up; of the third kept out of training where `held`.

    In training as many again are put together, so that no list of nouns can be learnt.
    """
    while True:
        roll = rng.random()
        if roll < 0.25:
            found = _Word(word := made_up(rng), word)
        elif roll < 0.55 and not held:
            found = _put_together(rng, lang, family)
        else:
            found = _Word(*rng.choice(pool(f"{family}_nouns")))
        if held_value("tool noun", found.en) == held:
            return found


def _put_together(rng: Random, lang: Lang, family: str) -> _Word:
    """A noun of two words, or in Chinese of any characters: the same in both languages, for the other has no word."""
    en, zh = rng.choice(pool(f"{family}_nouns"))
    if lang == "en":
        head = en.split()[-1] if rng.random() < 0.7 or family == "tally" else rng.choice(ENGLISH.nouns)
        found = f"{rng.choice((*ENGLISH.nouns, *ENGLISH.adjectives))} {head}"
        return _Word(found, found)
    first = "".join(rng.choices(gb2312_chars(1), k=2)) if rng.random() < 0.4 else rng.choice(CHINESE.nouns)
    found = first + rng.choice((zh, zh, rng.choice(CHINESE.nouns), ""))
    return _Word(found, found, made_up(rng))


def made_up(rng: Random) -> str:
    """A word that means nothing."""
    return "".join(rng.choices(_SYLLABLES, k=rng.randint(2, 3))) + rng.choice(("", "", "n", "x", "l", "sh"))


def _kind(rng: Random, family: str, noun: _Word, held: bool, beside: Kind | None, lang: Lang) -> Kind:
    table = read_table("procedural")[family]
    taken, draws, keys = _param(rng, table, beside)
    verb = _Word(*rng.choice(pool("verbs"))) if family == "act" else _Word("", "")
    names = (name.format(noun=noun.slug, verb=verb.slug, taken=taken.slug) for name in table["names"].split())
    name = opaque(rng, held=held) if rng.random() < (0.15 if held else 0.35) else rng.choice(list(names))
    words = {"noun": noun, "verb": verb, "taken": taken}
    extra = _extra(rng, lang, noun, held) if family == "lookup" and rng.random() < 0.25 else None
    results = _results(rng, noun, extra, table["gives"].split(", ")) if "gives" in table else ()
    return Kind(
        f"{family} {verb.en} {noun.en}".replace("  ", " "),
        Split((name,), (name,)),
        (_as_param(taken, draws, keys),),
        results,
        {lang: _wording(rng, lang, family, words, extra) for lang in LANGS},
        is_untold=held and any(word.en != word.zh for word in (noun, extra) if word is not None),
    )


def opaque(rng: Random, *, held: bool) -> str:
    """The name of a tool that tells nothing."""
    return f"{rng.choice(('tool', 'fn', 'query', 'op', 'f'))}_{_number(rng, held)}"


def _number(rng: Random, held: bool) -> int:
    while held_value("tool number", str(found := rng.randint(1, 99))) != held:
        pass
    return found


def _param(rng: Random, table: Mapping[str, str], beside: Kind | None) -> tuple[_Word, str, tuple[str, ...]]:
    """What the tool takes: its word, the make of its values and its names; the same as the one beside it."""
    rows = [tuple(part.strip() for part in line.split("|")) for line in lines_of(table["takes"])]
    same = [row for row in rows if beside is not None and _Word(*row[1:]).slug == beside.params[0].names[0]]
    draws, en, zh = rng.choice(same or rows)
    word = _Word(en, zh)
    return word, draws, (word.slug, word.slug, word.zh)


def _as_param(taken: _Word, draws: str, keys: tuple[str, ...]) -> Param:
    row = read_table("lines")
    texts = {
        part: pair_of({lang: row[lang][part].replace("{taken}", taken.in_lang(lang)) for lang in LANGS})
        for part in ("about_x", "ask_x", "reply_x")
    }
    return Param("x", draws, keys, texts["about_x"], texts["ask_x"], texts["reply_x"])


def _extra(rng: Random, lang: Lang, noun: _Word, held: bool) -> _Word:
    """A second value that comes back with the first."""
    while (found := _noun(rng, lang, "lookup", held)) == noun:
        pass
    return found


def _results(rng: Random, noun: _Word, extra: _Word | None, makes: list[str]) -> tuple[Result, ...]:
    slots = (("v", noun),) if extra is None else (("v", noun), ("w", extra))
    return tuple(Result(slot, rng.choice(makes), (word.slug, word.slug, word.zh)) for slot, word in slots)


def _wording(rng: Random, lang: Lang, family: str, words: Mapping[str, _Word], extra: _Word | None) -> Wording:
    def filled(line: str) -> str:
        for key, word in words.items():
            text = word.in_lang(lang)
            line = line.replace(f"{{{key}}}", text).replace(f"{{{key.capitalize()}}}", text[:1].upper() + text[1:])
        return line.replace("{extra}", extra.in_lang(lang) if extra else "")

    def some(lines: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(filled, rng.sample(lines, min(_LINES, len(lines)))))

    def side(split: Split) -> Split:
        return Split(some(split.trained), some(split.held))

    asks, partial, twice = _split(family, lang)
    table = read_table("procedural")[family][lang]
    return Wording(
        filled(table["thing"]),
        tuple(map(filled, lines_of(table["describes"]))),
        side(asks),
        side(partial),
        side(twice),
        answers=tuple(map(filled, lines_of(table["answers" if extra is None else "answers_both"]))),
    )


@cache
def _split(family: str, lang: Lang) -> tuple[Split, Split, Split]:
    """The lines to ask with, those that lack the value, and those that have two."""
    table = read_table("procedural")[family][lang]
    lines = lines_of(table["asks"])
    return (
        split_wordings(lang, tuple(line for line in lines if "x" in slots_of(line))),
        split_wordings(lang, tuple(line for line in lines if "x" not in slots_of(line))),
        split_wordings(lang, lines_of(table.get("twice", ""))),
    )
