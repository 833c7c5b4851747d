"""Which kind can go on with what another one gave."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from demo.grammar import LANGS, Lang
from demo.tools.kinds import Kind, Result, slots_of

_FREE: Final = frozenset({"text", "task", "phrase", "title"})
_COUNTED: Final = frozenset({"int", "between"})


@dataclass(frozen=True, slots=True)
class Link:
    """A line of the second kind that lacks one slot, and what of the first fills it."""

    line: str
    slot: str
    result: Result


def links(first: Kind, second: Kind, lang: Lang, *, held: bool) -> Iterator[Link]:
    """Every way to go on."""
    for line in second.wording[lang].chains.side(held=held):
        for slot in sorted(second.required - slots_of(line)):
            yield from (Link(line, slot, r) for r in first.results if _fits(r, second.param(slot).draws))


def linked(first: Kind, second: Kind) -> bool:
    """Whether there is a way in every language."""
    return all(any(links(first, second, lang, held=held)) for lang in LANGS for held in (False, True))


def _fits(result: Result, draws: str) -> bool:
    given, wanted = result.draws.split()[0], draws.split()[0]
    if wanted in _FREE:
        return True
    if wanted == "number":
        return given in (*_COUNTED, "number", "converted")
    return given == wanted and given in ("phone", "email", "url", "int")
