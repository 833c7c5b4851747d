"""Whole makes of strings that training never sees, each with a way to build one and a way to know one."""

import re
import string
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from demo import phonology
from demo.words import ENGLISH, UNFIT_IN_NAMES, gb2312_chars

_DOUBLE_SURNAMES: Final = tuple(
    "欧阳 司马 夏侯 尉迟 澹台 司徒 诸葛 上官 东方 皇甫 令狐 慕容 端木 独孤 公孙 轩辕 宇文 长孙 百里 南宫".split()
)
_AFTER_SURNAMES: Final = "修迁明伟芳娜敏静秀丽强磊军洋勇艳杰娟涛超兰霞平刚桂英华玉萍红梅春生海波宁文建国志婷雪琳"
_TRANSCRIBED: Final = "阿艾巴比布达迪尔古汗吉加卡克拉里丽买米木那尼努帕热萨斯塔提吐西雅亚依扎麦图苏"
_GIVEN_NAMES: Final = tuple(
    """
    Anastasia Alexander Elizabeth Christopher Katherine Sebastian Valentina Maximilian Konstantin Theodora Francesca
    Benjamin Isabella Nathaniel Seraphina Leonardo Margarita Frederick Josephine Cornelius Evangeline Bartholomew
    Magdalena Archibald Wilhelmina Dominique Penelope Octavia Augustine Gabriella Genevieve Montgomery Ekaterina
    Guillermo Svetlana Marguerite Thaddeus Philippa Leopold Rosalind Percival Beatrice Ignatius Clementine Ferdinand
    """.split()
)
_PINYIN: Final = re.compile(
    r"(b|p|m|f|d|t|n|l|g|k|h|j|q|x|zh|ch|sh|r|z|c|s|y|w)?"
    r"(a|ai|an|ang|ao|e|ei|en|eng|er|i|ia|ian|iang|iao|ie|in|ing|iong|iu|o|ong|ou|u|ua|uai|uan|uang|ui|un|uo|ue)"
)
_PINYIN_SURNAMES: Final = "Zhang Wang Li Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu Guo He Lin Gao Luo".split()
_PINYIN_GIVEN: Final = (
    "Wei Fang Na Min Jing Li Qiang Lei Jun Yan Jie Tao Ming Chao Xia Ping Gang Mei Hua Xin Yu".split()
)
_HELD_SCRIPTS: Final = ((0x0E94, 0x0E97), (0x0E99, 0x0E9F), (0x0A95, 0x0AA8), (0x13A0, 0x13EF))


def is_held_script(code: int) -> bool:
    """Whether this is a letter of Lao, Gujarati or Cherokee."""
    return 0x0E80 <= code <= 0x0EFF or 0x0A80 <= code <= 0x0AFF or 0x13A0 <= code <= 0x13FF


def is_held_char(char: str) -> bool:
    """Whether this Chinese character never stands in a random name in training."""
    return ord(char) % 13 == 5


def is_held_make(text: str) -> bool:
    """Whether a string is of a make kept out of training, as far as its shape tells."""
    return any(known(text) for known in _KNOWN.values())


def _two_syllables(text: str) -> bool:
    words = text.casefold().split()
    return len(words) == 2 and all(_PINYIN.fullmatch(word) for word in words)


def _transcribed(text: str) -> bool:
    return len(text) >= 3 and all(char in _TRANSCRIBED for char in text)


def _given_name(text: str) -> bool:
    return not _LOWER_GIVEN.isdisjoint(text.casefold().split())


_LOWER_GIVEN: Final = frozenset(name.casefold() for name in _GIVEN_NAMES)
_KNOWN: Final[Mapping[str, Callable[[str], object]]] = {
    "Anastasia": _given_name,
    "欧阳修": lambda text: len(text) >= 3 and text.startswith(_DOUBLE_SURNAMES),
    "Zhang Wei": _two_syllables,
    "O'Neill": re.compile(r".*[^\W\d_]['’][^\W\d_a-z][a-z]", re.DOTALL).match,
    "阿依古丽": _transcribed,
    "R2-D2": re.compile(r"([^\W\d_]\d+-)+[^\W\d_]\d+").fullmatch,
    "x7_q": re.compile(r"(?=.*\d)[^\W_]+(_[^\W_]+)+").fullmatch,
    "script": lambda text: any(is_held_script(ord(char)) for char in text),
}


def _held_chars(rng: Random) -> str:
    pool = [c for c in gb2312_chars(rng.choice((1, 2))) if is_held_char(c) and c not in UNFIT_IN_NAMES]
    return "".join(rng.choices(pool, k=rng.choice((2, 2, 3, 3, 4))))


def _held_script(rng: Random) -> str:
    first, last = rng.choice(_HELD_SCRIPTS)
    return "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(2, 5)))


def _camel(rng: Random) -> str:
    words = rng.choices(ENGLISH.nouns, k=2)
    return "".join(w.capitalize() for w in words) + rng.choice(("", str(rng.randint(1, 99))))


def _apostrophe(rng: Random) -> str:
    return rng.choice(("O'", "D'", "L'")) + phonology.TRAINED["celtic"].word(rng)


def _droid(rng: Random) -> str:
    return "-".join(f"{rng.choice(string.ascii_uppercase)}{rng.randint(0, 9)}" for _ in "ab")


def _handle(rng: Random) -> str:
    parts = ("".join(rng.choices(string.ascii_lowercase, k=rng.randint(1, 3))) for _ in "ab")
    return f"{next(parts)}{rng.randint(0, 99)}_{next(parts)}"


# Shapes of strings, then whole tongues, scripts and characters.
HELD_MAKES: Final[Mapping[str, Callable[[Random], str]]] = {
    "Anastasia": lambda rng: rng.choice(_GIVEN_NAMES),
    "欧阳修": lambda rng: rng.choice(_DOUBLE_SURNAMES) + "".join(rng.choices(_AFTER_SURNAMES, k=rng.randint(1, 2))),
    "Zhang Wei": lambda rng: f"{rng.choice(_PINYIN_SURNAMES)} {rng.choice(_PINYIN_GIVEN)}",
    "O'Neill": _apostrophe,
    "阿依古丽": lambda rng: "".join(rng.sample(_TRANSCRIBED, rng.randint(3, 4))),
    "R2-D2": _droid,
    "x7_q": _handle,
    **{name: tongue.word for name, tongue in phonology.HELD.items()},
    "camel": _camel,
    "script": _held_script,
    "chars": _held_chars,
}
