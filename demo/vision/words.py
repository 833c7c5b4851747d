"""The names of what is in a picture, in both languages, and how they are found in a text."""

import re
from collections.abc import Mapping, Sequence, Set
from functools import cache
from typing import Final

from demo.grammar import Lang
from demo.numerals import spoken
from demo.vision.picture import COLOURS, DIGITS, SHAPES, SIDES, Kind, Side

_SHAPE_ZH: Final[Mapping[str, str]] = dict(
    zip(SHAPES, ("圆形", "正方形", "三角形", "星形", "菱形", "十字", "心形"), strict=True)
)
_COLOUR_ZH: Final[Mapping[str, str]] = dict(zip(COLOURS, "红 橙 黄 绿 蓝 紫 粉 黑 白".split(), strict=True))
_SIDE: Final[Mapping[Lang, Mapping[Side, str]]] = {
    "en": dict(zip(SIDES, ("to the left of", "to the right of", "above", "below"), strict=True)),
    "zh": dict(zip(SIDES, ("左边", "右边", "上面", "下面"), strict=True)),
}
NTH: Final[Mapping[Lang, Sequence[str]]] = {"en": ("first", "second", "third", "fourth", "fifth"), "zh": "一二三四五"}


def capital(text: str) -> str:
    """The text as a sentence begins."""
    return text[:1].upper() + text[1:]


def with_article(text: str) -> str:
    """English: the words with "a" or "an" before them."""
    return f"{'an' if text.startswith(tuple('aeiou')) else 'a'} {text}"


def shape_of(kind: Kind, lang: Lang) -> str:
    """The shape alone; a digit by its own name."""
    if kind.shape in DIGITS:
        return kind.shape if lang == "en" else f"数字{kind.shape}"
    return kind.shape if lang == "en" else _SHAPE_ZH[kind.shape]


def colour_of(colour: str, lang: Lang) -> str:
    """The colour alone."""
    return colour if lang == "en" else f"{_COLOUR_ZH[colour]}色"


def name_of(kind: Kind, lang: Lang) -> str:
    """Colour and shape, without an article."""
    return f"{colour_of(kind.colour, lang)}{' ' if lang == 'en' else '的'}{shape_of(kind, lang)}"


def one_of(words: str, lang: Lang) -> str:
    """The words with an article or a measure word."""
    return with_article(words) if lang == "en" else f"一个{words}"


def some_of(count: int, words: str, lang: Lang) -> str:
    """So many of what the words say."""
    if lang == "zh":
        return f"{how_many(count, lang)}个{words}"
    return f"{spoken(count, lang)} {words if count == 1 else many_of(words)}"


def many_of(words: str) -> str:
    """English: the plural."""
    return f"{words}es" if words.endswith("s") else f"{words}s"


def how_many(count: int, lang: Lang) -> str:
    """The number as it stands before what is counted."""
    return "两" if lang == "zh" and count == 2 else spoken(count, lang)


def side_words(side: Side, lang: Lang) -> str:
    """The side, ready to stand before the other thing (English) or behind it (Chinese)."""
    return _SIDE[lang][side]


def joined(parts: Sequence[str], lang: Lang) -> str:
    """An enumeration."""
    *first, last = parts
    if lang == "zh":
        return "、".join(first) + "和" * bool(first) + last
    return ", ".join(first) + " and " * bool(first) + last


# What an answer may say, by kind of statement; a judge compares one kind at a time.
_SAYINGS: Final[Mapping[Lang, Mapping[str, Mapping[str, str]]]] = {
    "en": {
        "shape": {shape: rf"\b{shape}(s|es)?\b" for shape in SHAPES} | {d: rf"(?<!\d){d}(?!\d)" for d in DIGITS},
        "colour": {colour: rf"\b{colour}\b" for colour in COLOURS},
        "count": {str(n): rf"\b({n}|{spoken(n, 'en')})\b" for n in range(10)},
        "side": {"left": r"\bleft\b", "right": r"\bright\b", "above": r"\babove\b", "below": r"\bbelow\b"},
        "verdict": {"yes": r"^yes\b", "no": r"^(no|none)\b"},
        "nth": {str(at): rf"\b{word}\b" for at, word in enumerate(NTH["en"])},
    },
    "zh": {
        "shape": {s: "(?<!正)方形|正方形" if s == "square" else w for s, w in _SHAPE_ZH.items()}
        | {d: rf"(?<!\d){d}(?!\d)" for d in DIGITS},
        "colour": {colour: f"{word}色" for colour, word in _COLOUR_ZH.items()},
        "count": {str(n): rf"(?<!第)({n}|{spoken(n, 'zh')}{'|两' * (n == 2)})(?![共起下角])" for n in range(10)},
        "side": {side: word[0] + "[边面侧方]" for side, word in _SIDE["zh"].items()},
        "verdict": {"yes": r"^(是|对|有)", "no": r"^(不|没)"},
        "nth": {str(at): f"第({at + 1}|{word})" for at, word in enumerate(NTH["zh"])},
    },
}
STATEMENTS: Final = tuple(_SAYINGS["en"])


@cache
def _patterns(lang: Lang, statement: str) -> Mapping[str, re.Pattern[str]]:
    return {name: re.compile(text) for name, text in _SAYINGS[lang][statement].items()}


def said(text: str, statement: str, lang: Lang) -> Set[str]:
    """What the text says of one kind: its shapes, colours, counts, sides, verdict or ordinals."""
    return frozenset(name for name, pattern in _patterns(lang, statement).items() if pattern.search(text.casefold()))
