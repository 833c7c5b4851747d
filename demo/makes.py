"""The makes of names that training draws from: ways to build a name, so that the model learns to copy."""

import re
import string
from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Final, TypeAlias
from unicodedata import category

from demo import phonology
from demo.grammar import GRAMMAR_DIR
from demo.held import is_held_char, is_held_script
from demo.words import ENGLISH, UNFIT_IN_NAMES, gb2312_chars, wide_chars

Make: TypeAlias = Callable[[Random], str]

SURNAMES: Final = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏"
    "钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
GIVEN_CHARS: Final = (
    "伟芳娜敏静秀丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英华玉萍红梅春生海波宁文建国志婷雪琳晨宇轩浩然子涵梓欣怡诗雨佳琪"
    "思远嘉俊博睿泽瑞雅若溪云飞鹏程安康乐天一凡晓东南北山川木风月星辰竹松柏莲荷菊青蓝紫"
)
_NICK_BEFORE: Final = ["小", "阿", "老", "大"]
_NICK_AFTER: Final = ["哥", "姐", "老师", "同学", "总", "叔", "宝", "儿", "先生", "女士", "爷爷", "仔"]
_PREFIXES: Final = ("Mc", "Mac", "Al-", "El-", "Ben-", "Fitz", "van ", "de ", "von ", "di ", "St. ", "Ibn ")
_ACCENTS: Final = {"a": "áàâäãå", "e": "éèêë", "i": "íîï", "o": "óôöõø", "u": "úùûü", "n": "ñ", "c": "ç"}
_SCRIPTS: Final = {
    "cyrillic": ("бвгджзклмнпрстфхчш", "аеиоуыюя"),
    "hellenic": ("βγδζθκλμνξπρστφχψ", "αεηιουω"),
    "arab": ("بتثجحدرزسشصعغفقكلمنه", "اوي"),
    "kana": ("かきくけこさしすせそたちつてとなにのはひふまみもやゆよらりるれろ", "あいうえおん"),
    "katakana": ("カキクケコサシスソタチツテトナニノハヒフマミモヤユラリルレロ", "アイウエオンー"),
}

# First and last code points of alphabets often met; any other letter may come from `_letter_runs`.
_RANGES: Final = (
    (0xAC00, 0xD7A3), (0xAC00, 0xD7A3), (0x0905, 0x0939), (0x05D0, 0x05EA), (0x0561, 0x0586),
    (0x10D0, 0x10F0), (0x1200, 0x1340), (0x0B85, 0x0BB9), (0x0C05, 0x0C39), (0x0F40, 0x0F6C),
    (0x1780, 0x17B3), (0x1E00, 0x1EFF), (0x0100, 0x024F), (0x0D05, 0x0D39), (0xFF21, 0xFF5A),
)  # fmt: skip
_MARKS: Final = "''''’’!!.,&+*~/#@:=_"
EMOJI: Final = "".join(map(chr, (*range(0x1F300, 0x1F5FF), *range(0x1F600, 0x1F64F))))


def _latin(rng: Random) -> str:
    return rng.choice(list(phonology.TRAINED.values())).word(rng)


def _full(rng: Random) -> str:
    tongue = rng.choice(list(phonology.TRAINED.values()))
    return " ".join(tongue.word(rng) for _ in range(rng.choice((2, 2, 2, 3))))


def _prefixed(rng: Random) -> str:
    return rng.choice(_PREFIXES) + _latin(rng)


def _hyphened(rng: Random) -> str:
    return f"{_latin(rng)}-{rng.choice((_latin(rng), _latin(rng).lower()))}"


def _titled(rng: Random) -> str:
    title = rng.choice(["Dr.", "Mr.", "Mrs.", "Ms.", "Prof.", "Captain", "Sir", "Aunt", "Uncle", "King", "Lady"])
    return f"{title} {_latin(rng)}"


def _initials(rng: Random) -> str:
    letters = rng.choices(string.ascii_uppercase, k=rng.randint(1, 3))
    style = rng.choice(("{}. ", "{}.", "{}"))
    return "".join(style.format(c) for c in letters) + rng.choice((_latin(rng), ""))


def _accented(rng: Random) -> str:
    return "".join(rng.choice(_ACCENTS[c]) if c in _ACCENTS and rng.random() < 0.4 else c for c in _latin(rng))


def _case(rng: Random) -> str:
    word = _latin(rng)
    return rng.choice((word.lower(), word.upper(), word.swapcase(), word.lower()))


def _letters(rng: Random) -> str:
    alphabet = rng.choice((string.ascii_lowercase, string.ascii_uppercase, string.ascii_letters))
    word = "".join(rng.choices(alphabet, k=rng.randint(1, 12)))
    return rng.choice((word, word.capitalize()))


def _few_letters(rng: Random) -> str:
    """Strings that repeat themselves: where a copier loses its place."""
    alphabet = rng.choices(string.ascii_lowercase, k=rng.randint(1, 3))
    return "".join(rng.choices(alphabet, k=rng.randint(2, 9))).capitalize()


def _handle(rng: Random) -> str:
    """User names of machines: ab.cd99, 4kT-b."""
    pieces = [
        "".join(rng.choices(rng.choice((string.ascii_letters, string.digits)), k=rng.randint(1, 4)))
        for _ in range(rng.randint(2, 4))
    ]
    return rng.choice(("-", ".", "", "")).join(pieces)


def _marked(rng: Random) -> str:
    """Pieces with marks between or after them: kel'mar, b!to, a.b'c, Yahoo!."""
    pieces = [rng.choice((_latin, _latin, _letters))(rng).lower() for _ in range(rng.choice((1, 2, 2, 2, 3)))]
    marks = rng.choices(_MARKS, k=len(pieces))
    text = "".join(piece + mark for piece, mark in zip(pieces, marks, strict=True))
    text = text[:-1] if len(pieces) > 1 or text[-1] != "!" else text
    return rng.choice((text, text.capitalize(), text.upper()))


def _tagged(rng: Random) -> str:
    return f"{rng.choice((_latin(rng), _letters(rng)))}{rng.randint(0, 2030)}"


def _word(rng: Random) -> str:
    words = [*ENGLISH.nouns, *ENGLISH.adjectives]
    return " ".join(rng.choice(words).capitalize() for _ in range(rng.choice((1, 1, 2))))


def _script(rng: Random, scripts: Mapping[str, tuple[str, str]]) -> str:
    consonants, vowels = rng.choice(list(scripts.values()))
    word = "".join(rng.choice(consonants) + rng.choice(vowels) for _ in range(rng.randint(1, 4)))
    return word.capitalize()


@cache
def _letter_runs() -> tuple[str, ...]:
    """All letters of the basic plane outside Chinese, 48 neighbours at a time."""
    codes = (*range(0xA1, 0x3400), *range(0xA000, 0xD7A4), *range(0xF900, 0xFFE0))
    letters = [chr(c) for c in codes if category(chr(c))[0] in "LM" and not is_held_script(c)]
    return tuple("".join(letters[i : i + 48]) for i in range(0, len(letters), 16))


def _any_script(rng: Random) -> str:
    if rng.random() < 0.5:
        return "".join(rng.choices(rng.choice(_letter_runs()), k=rng.randint(1, 6)))
    first, last = rng.choice(_RANGES)
    return "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(2, 6)))


def _embedded(rng: Random) -> str:
    """Names that hide pieces of everyday words, which the tokenizer has merged: Njustin."""
    out = ""
    for _ in range(rng.randint(1, 3)):
        word = rng.choice(rng.choice(_everyday()))
        start = rng.choice((0, 0, rng.randrange(len(word))))
        out += word[start : start + rng.randint(2, 9)]
        out += rng.choice(("", "", _latin(rng)[:3].lower(), rng.choice(string.ascii_letters)))
    return rng.choice((out, out.capitalize()))


@cache
def _everyday() -> tuple[tuple[str, ...], ...]:
    """The words of the grammar, then the words of the slots."""
    text = " ".join(path.read_text(encoding="utf-8") for path in sorted((GRAMMAR_DIR / "en").glob("*.txt")))
    words = sorted(set(re.findall(r"[A-Za-z]{3,}", text)))
    return tuple(words), (*ENGLISH.nouns, *ENGLISH.verbs, *ENGLISH.adjectives, *ENGLISH.states)


def _with_emoji(rng: Random) -> str:
    return rng.choice((_latin, _chars))(rng) + rng.choice(EMOJI)


def _free_chars(rng: Random, count: int) -> str:
    pool = rng.choice((gb2312_chars(1), gb2312_chars(1), gb2312_chars(2), wide_chars()))
    out = ""
    while len(out) < count:
        char = rng.choice(pool)
        if not is_held_char(char) and char not in UNFIT_IN_NAMES:
            out += char
    return out


def given(rng: Random) -> str:
    return "".join(
        rng.choice(GIVEN_CHARS) if rng.random() < 0.5 else _free_chars(rng, 1) for _ in range(rng.choice((1, 2, 2)))
    )


def _chinese(rng: Random) -> str:
    return rng.choice(SURNAMES) + given(rng)


def _nick(rng: Random) -> str:
    core = rng.choice(SURNAMES) if rng.random() < 0.4 else _free_chars(rng, 1)
    style = rng.random()
    if style < 0.5:
        return rng.choice(_NICK_BEFORE) + core
    return core * 2 if style < 0.7 else core + rng.choice(_NICK_AFTER)


def _numbered(rng: Random) -> str:
    """Names with a numeral: 张三, 阿七."""
    numeral = rng.choice("一二三四五六七八九十百千")
    return rng.choice((*SURNAMES, *_NICK_BEFORE)) + numeral + (given(rng) if rng.random() < 0.3 else "")


def _chars(rng: Random) -> str:
    return _free_chars(rng, rng.choice((1, 2, 2, 3, 3, 4)))


def _blend(rng: Random) -> str:
    """Chinese and Latin in one name."""
    latin, chars = rng.choice((_latin(rng), _letters(rng)[:3])), _chars(rng)
    return rng.choice((latin + chars, chars + latin))


LATIN_MAKES: Final[dict[str, tuple[Make, float]]] = {
    "latin": (_latin, 6),
    "full": (_full, 3),
    "prefixed": (_prefixed, 1),
    "hyphened": (_hyphened, 1),
    "titled": (_titled, 0.7),
    "initials": (_initials, 0.5),
    "accented": (_accented, 1),
    "case": (_case, 2.5),
    "letters": (_letters, 2),
    "few_letters": (_few_letters, 1.2),
    "handle": (_handle, 1.2),
    "tagged": (_tagged, 0.8),
    "marked": (_marked, 1.6),
    "word": (_word, 1.2),
    "script": (lambda rng: _script(rng, _SCRIPTS), 0.8),
    "any_script": (_any_script, 2.4),
    "embedded": (_embedded, 2.0),
    "emoji": (_with_emoji, 0.2),
}
CHINESE_MAKES: Final[dict[str, tuple[Make, float]]] = {
    "chinese": (_chinese, 5),
    "nick": (_nick, 2.5),
    "chars": (_chars, 4),
    "numbered": (_numbered, 0.6),
    "blend": (_blend, 0.4),
}
