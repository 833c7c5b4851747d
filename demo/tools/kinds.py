"""Kinds of tools: what they are called, what they take and give, and how people ask for them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from demo.grammar import LANGS, SLOT, Lang, expansions, widened
from demo.split import held_phrasing, held_phrasings
from demo.tools.values import FOLDER, lines_of, read_table

CHINESE: Final = re.compile("[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Split:
    """Lines of training, and the quarter kept out of it."""

    trained: tuple[str, ...] = ()
    held: tuple[str, ...] = ()

    def side(self, *, held: bool) -> tuple[str, ...]:
        return self.held if held else self.trained


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter."""

    slot: str  # its place in the lines
    draws: str  # the make of its values
    names: tuple[str, ...]  # what a schema may call it
    about: Mapping[Lang, tuple[str, ...]]
    questions: Mapping[Lang, tuple[str, ...]]
    replies: Mapping[Lang, tuple[str, ...]]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """One value that comes back."""

    slot: str
    draws: str  # the make of its values, or `worth slot`, `between`, `converted`
    keys: tuple[str, ...]  # what JSON may call it


@dataclass(frozen=True, slots=True)
class Wording:
    """A kind in one language."""

    thing: str  # what one has no tool for when this kind is missing
    describes: tuple[str, ...]
    asks: Split  # lines with every required slot
    partial: Split = Split()  # lines that lack one of them
    twice: Split = Split()  # lines with `{slot}` and `{slot2}`
    chains: Split = Split()  # lines that name `it`, what the call before gave
    answers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()  # results in plain words


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of tool."""

    id: str
    names: Split
    params: tuple[Param, ...]
    results: tuple[Result, ...]
    wording: Mapping[Lang, Wording]
    near: tuple[str, ...] = ()  # kinds that are easily taken for this one
    covers: tuple[str, ...] = ()  # kinds whose requests this one could serve, too
    takes: str | None = None  # the slot that may be filled by what the call before gave
    is_own: bool = False  # the demo does it without a tool, too, as far as it goes
    is_untold: bool = False  # it is about a word whose translation training does not tell

    @property
    def required(self) -> frozenset[str]:
        return frozenset(param.slot for param in self.params if param.required)

    def param(self, slot: str) -> Param:
        return next(param for param in self.params if param.slot == slot)


def slots_of(line: str) -> frozenset[str]:
    """The slots that a line has."""
    return frozenset(SLOT.findall(line))


def split_lines(section: str, lines: tuple[str, ...]) -> Split:
    """The lines of a section, a quarter of them held out."""
    held = held_phrasings(section, list(lines))
    return Split(tuple(x for x in lines if x not in held), tuple(x for x in lines if x in held))


def split_expanded(lines: tuple[str, ...]) -> Split:
    """Everything that these lines may say, a quarter of it held out."""
    found = [text for line in lines for text in expansions(line)]
    return Split(tuple(t for t in found if not held_phrasing(t)), tuple(t for t in found if held_phrasing(t)))


def split_wordings(lang: Lang, lines: tuple[str, ...]) -> Split:
    """Every wording of these lines, a quarter of them held out."""
    found = [(text, "[" in wide and held_phrasing(text)) for line in lines for wide, text in _wordings(line, lang)]
    return Split(tuple(text for text, held in found if not held), tuple(text for text, held in found if held))


def _wordings(line: str, lang: Lang) -> list[tuple[str, str]]:
    wide = widened(line, lang)
    return [(wide, text) for text in expansions(wide)]


def pair_of(text: Mapping[str, str]) -> dict[Lang, tuple[str, ...]]:
    """Lines in both languages, one line each `|` apart."""
    return {lang: tuple(part.strip() for part in text[lang].split("|")) for lang in LANGS}


@cache
def load_kinds() -> Mapping[str, Kind]:
    """The hand-written kinds by id, of every file of the folder."""
    kinds: dict[str, Kind] = {}
    for path in sorted((FOLDER / "kinds").glob("*.toml")):
        for id_, row in read_table(f"kinds/{path.stem}").items():
            if id_ in kinds:
                raise ValueError(f"{path.name}: the kind {id_!r} stands in two places")
            kinds[id_] = _kind(id_, row)
    return kinds


def _kind(id_: str, row: Mapping[str, Any]) -> Kind:
    params = tuple(_param(slot, spec) for slot, spec in row.get("params", {}).items())
    results = tuple(Result(slot, *_spec(text)) for slot, text in row.get("results", {}).items())
    required = frozenset(param.slot for param in params if param.required)
    return Kind(
        id_,
        split_lines(f"tool {id_}", tuple(row["names"].split())),
        params,
        results,
        {lang: _wording(lang, row[lang], required) for lang in LANGS},
        tuple(row.get("near", "").split()),
        tuple(row.get("covers", "").split()),
        row.get("takes"),
        row.get("own", False),
    )


def _spec(text: str) -> tuple[str, tuple[str, ...]]:
    draws, _, names = text.partition(":")
    return draws.strip(), tuple(names.split())


def _param(slot: str, spec: str) -> Param:
    draws, names = _spec(spec.removeprefix("?"))
    row = read_table("params").get(slot, {})
    defaults = read_table("params")["default"]
    return Param(
        slot,
        draws,
        names or (slot,),
        pair_of(row.get("about", defaults["about"])),
        pair_of(row.get("ask", defaults["ask"])),
        pair_of(row.get("reply", defaults["reply"])),
        not spec.startswith("?"),
    )


def _wording(lang: Lang, row: Mapping[str, str], required: frozenset[str]) -> Wording:
    asks = lines_of(row["asks"])
    full = tuple(line for line in asks if slots_of(line) == required)
    more = tuple(line for line in asks if slots_of(line) > required)
    partial = tuple(line for line in asks if not slots_of(line) >= required)
    base, extended = split_wordings(lang, full), split_wordings(lang, more)
    return Wording(
        row["thing"],
        lines_of(row["describes"]),
        Split(base.trained + extended.trained, base.held + extended.held),
        split_wordings(lang, partial),
        split_wordings(lang, lines_of(row.get("twice", ""))),
        split_wordings(lang, lines_of(row.get("chains", ""))),
        lines_of(row["answers"]),
        lines_of(row.get("texts", "")),
    )
