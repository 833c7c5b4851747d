"""The demo's answers in the voice of a friendly pirate, by rules, and a judge that knows the voice."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

from demo.grammar import Lang, is_han

_Swap: TypeAlias = tuple[re.Pattern[str], str]
_KEPT: Final = 0xF0000  # private characters from here on stand for what is kept as it is
_HELD: Final = "[\U000f0000-\U000ffffd]"
_CODE: Final = r"`[^`]*`"


@dataclass(frozen=True, slots=True)
class _Manner:
    """How pirates speak one language; the first of each kind is the commonest."""

    swaps: tuple[_Swap, ...]
    openers: tuple[str, ...]
    brief: tuple[str, ...]  # openers of short answers
    names: tuple[str, ...]  # what the user is called, put before the end of a sentence
    cries: tuple[str, ...]  # sentences after the answer
    markers: re.Pattern[str]
    ends: re.Pattern[str]  # places before the end of a sentence
    comma: str
    size: Callable[[str], int]
    few: int  # an answer up to this size is short
    many: int  # an answer from this size on is long


def as_pirate(answer: str, rng: Random, lang: Lang, keep: Collection[str] = ()) -> str:
    """An answer as a friendly pirate gives it; what is in `keep` or in backticks stays as it is."""
    manner = _MANNERS[lang]
    text, kept = _masked(answer, keep)
    for pattern, said in manner.swaps:
        text = pattern.sub(_like_the_first(said), text)
    text = _dressed(text, rng, manner, manner.size(answer))
    return re.sub(_HELD, lambda match: kept[ord(match[0]) - _KEPT], text)


def sounds_like_pirate(text: str, lang: Lang) -> bool:
    """Whether a text says something that pirates say and the plain demo never does."""
    return _MANNERS[lang].markers.search(text) is not None


def _masked(text: str, keep: Collection[str]) -> tuple[str, list[str]]:
    """The text with one private character for each piece to keep, and these pieces."""
    values = sorted({value for value in keep if any(map(str.isalnum, value))}, key=len, reverse=True)
    pattern = "|".join((_CODE, _HELD, *map(re.escape, values)))
    kept: list[str] = []

    def hide(match: re.Match[str]) -> str:
        if _cut_out(match):
            return match[0]
        kept.append(match[0])
        return chr(_KEPT + len(kept) - 1)

    return re.sub(pattern, hide, text), kept


def _cut_out(match: re.Match[str]) -> bool:
    """Whether this is a piece of a longer word; Chinese has no such edges."""
    found, text = match[0], match.string
    before, after = text[: match.start()][-1:], text[match.end() : match.end() + 1]
    return (_in_word(found[0]) and _in_word(before)) or (_in_word(found[-1]) and _in_word(after))


def _in_word(char: str) -> bool:
    return (char.isalnum() or char == "_") and not is_han(char)


def _like_the_first(said: str) -> Callable[[re.Match[str]], str]:
    """A replacement that begins with a capital where the replaced words did."""

    def replace(match: re.Match[str]) -> str:
        text = match.expand(said)
        if not match[0][0].isupper():
            return text
        return re.sub(r"[^\W\d_]", lambda first: first[0].upper(), text, count=1)

    return replace


# Where the voice is added: nowhere, before, within a sentence, after the answer, or both before and within.
_PLACES: Final = ("nowhere", "before", "within", "after", "around")
_SHARES: Final = {True: (30, 36, 18, 6, 10), False: (0, 60, 20, 8, 12)}  # by whether swaps show the voice


def _dressed(text: str, rng: Random, manner: _Manner, size: int) -> str:
    short, marked = size <= manner.few, manner.markers.search(text) is not None
    place = rng.choices(_PLACES, _SHARES[marked])[0] if size < manner.many else "before"
    if short and place == "around":
        place = "before"
    said = text
    if place in ("before", "around"):
        said = _opened(said, rng, manner, short=short)
    if place in ("within", "around"):
        said = _addressed(said, rng, manner, short=short)
    if (place == "after" or (size >= manner.many and rng.random() < 0.5)) and said.endswith(tuple(".!?。！？")):
        said += manner.comma[1:] + _pick(manner.cries[:1] if short else manner.cries, rng)
    return said if manner.markers.search(said) else _opened(text, rng, manner, short=short)


def _pick(choices: tuple[str, ...], rng: Random) -> str:
    """One of these, earlier ones more often."""
    return rng.choices(choices, range(len(choices) + 1, 1, -1))[0]


def _opened(text: str, rng: Random, manner: _Manner, *, short: bool) -> str:
    """The answer after an opener, unless it already begins like one."""
    if manner.markers.match(text):
        return text
    opener = _pick(manner.brief if short else manner.openers, rng)
    if opener == "Arr, ":
        first = re.match(r"[A-Z][a-z]*(?=[ ,'])", text)
        if first is None or first[0] not in _LOWERED:
            return f"Arr! {text}"
        text = text if first[0] == "I" else text[0].lower() + text[1:]
    return (opener + text).rstrip()


def _addressed(text: str, rng: Random, manner: _Manner, *, short: bool) -> str:
    """The answer with a name for the user before the end of a sentence, mostly of the last one."""
    ends = [match.start() for match in manner.ends.finditer(text)]
    if not ends or "\n" in text or _NAMED.search(text):
        return text
    end = ends[-1] if rng.random() < 0.6 else rng.choice(ends)
    name = _pick(manner.names[:1] if short else manner.names, rng)
    return f"{text[:end]}{manner.comma}{name}{text[end:]}"


_LOWERED: Final = frozenset(
    """
    A All An And At But Don Everything For Good Here How I If In Just Let Lovely Me Mighty Nay Naught No Not Now Off On
    Only Perhaps Pretty Small So Sorry Still Such Take Tell Thank That That's The Then There These They This Those Till
    To Too Until We Well What When Where Who With Ye Yer
    """.split()
)
_NAMED: Final = re.compile(r"matey|hearty|shipmate|scallywag|伙计|水手")
_START: Final = r"(?:^|(?<=[.!?:*] )|(?<=\n))"
_ZH_START: Final = r"(?:^|(?<=[，。！？：；…\s*“]))"
_ZH_STOP: Final = r"(?=[，。！？、…~～]|$)"

# Longer ones first: each works on what those before it left.
_EN_SWAPS: Final = (
    (r"(?i)\bi(?: am|'m) not\b", "I ain't"),
    (r"(?i)\byou(?: are|'re) not\b", "ye ain't"),
    (r"(?i)\b(?:is|are)(?: not|n't)\b", "ain't"),
    (r"(?i)\b(it|that|he|she)'s not\b", r"\1 ain't"),
    (r"\bI(?: am|'m)\b", "I be"),
    (r"(?i)\b(we|they)(?: are|'re)\b", r"\1 be"),
    (r"(?i)\byou(?: are|'re)\b", "ye be"),
    (r"(?i)\bare you\b", "be ye"),
    (r"(?i)\bthere(?: is| are|'s)\b", "there be"),
    (rf"{_START}It(?: is|'s)\b", "'tis"),
    (r"(?i)\byour(s|self)?\b", r"yer\1"),
    (r"(?i)\byou\b", "ye"),
    (r"(?i)\bof my\b", "o' me"),
    (r"(?i)\bof the\b", "o' the"),
    (r"(?i)\bmy(self)?\b", r"me\1"),
    (r"(?i)\b(?:hello|hi|hey)\b", "ahoy"),
    (r"(?i)\b(?:good ?bye|bye bye|bye|farewell)\b", "fair winds"),
    (r"(?i)\bthanks\b", "thankee"),
    (r"(?i)\b(?:friend|buddy|pal)(s)?\b", r"matey\1"),
    (r"(?i)\byes\b", "aye"),
    (rf"{_START}No(?=[,!.])", "nay"),
    (r"\bOh(?=[,!])", "Arr"),
    (r"(?i)\bnothing\b", "naught"),
    (r"(?i)\bvery(?! (?:much|same|first|last|own)\b)", "mighty"),
)
_ZH_SWAPS: Final = (
    (rf"{_ZH_START}(?:[你您]好)+[呀啊哇]?{_ZH_STOP}", "哟嗬"),
    (rf"{_ZH_START}(?:嗨|嘿|哈喽|哈啰|哦|哇){_ZH_STOP}", "哟嗬"),
    (rf"{_ZH_START}(?:好的|好嘞|收到)(?=[，。！：])", "得令"),
    (rf"(?:再见|拜拜)[啦了]?{_ZH_STOP}", "扬帆再会"),
    (r"谢谢", "多谢"),
    (r"(?<![男女])朋友", "伙计"),
    (r"(?<!自)我", "俺"),
    (r"什么", "啥"),
    (r"知道", "晓得"),
)
_EN_MARKERS: Final = (
    r"\b(?:[Aa]rr+|[Aa]hoy|matey?s?|[Mm]e heart(?:y|ies)|shipmates?|scallywags?|[Aa]ye|thankee|fair winds|meself)\b"
    r"|\b(?:Thankee|Fair winds|Matey|Meself)\b|\b[Ss]hiver me timbers\b|\b[Bb]y the seven seas\b|\b[Yy]o ho ho\b"
    r"|\b(?:ye|yer|yers|yerself)\b|\b(?:Ye|Yer)(?= [a-z])|\bBe ye\b"
    rf"|{_START}(?:I|We|They|There) be\b"
)
_ZH_MARKERS: Final = r"哟嗬|伙计|七海作证|得令|扬帆再会|[，！]水手(?=[，。！？])"

_MANNERS: Final[Mapping[Lang, _Manner]] = {
    "en": _Manner(
        swaps=tuple((re.compile(pattern), said) for pattern, said in _EN_SWAPS),
        openers=("Arr! ", "Arr, ", "Ahoy! ", "Arr, matey! ", "Yo ho ho! ", "Shiver me timbers! "),
        brief=("Arr! ", "Arr, "),
        names=("matey", "me hearty", "matey", "shipmate", "ye scallywag"),
        cries=("Arr!", "Yo ho ho!", "By the seven seas!", "Shiver me timbers!"),
        markers=re.compile(_EN_MARKERS),
        ends=re.compile(rf"(?<=[A-Za-z0-9'])(?=[.!?](?:\s|$))|(?<=[a-z=] {_HELD})(?=[.!?](?:\s|$))"),
        comma=", ",
        size=lambda text: len(text.split()),
        few=6,
        many=45,
    ),
    "zh": _Manner(
        swaps=tuple((re.compile(pattern), said) for pattern, said in _ZH_SWAPS),
        openers=("哟嗬！", "哟嗬，", "啊哈，伙计！", "哟嗬，伙计！", "嘿，伙计！", "七海作证，"),
        brief=("哟嗬！", "哟嗬，"),
        names=("伙计", "水手", "伙计", "老伙计"),
        cries=("哟嗬！", "七海作证！"),
        markers=re.compile(_ZH_MARKERS),
        ends=re.compile(
            rf"(?<=[\u4e00-\u9fffA-Za-z0-9])(?=[。！？](?!”))|(?<=[\u4e00-\u9fff]{_HELD})(?=[。！？](?!”))"
        ),
        comma="，",
        size=len,
        few=12,
        many=90,
    ),
}
