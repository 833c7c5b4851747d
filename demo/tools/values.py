"""Values that a user names and a tool gives back, each as typed and as JSON holds it."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias

from demo.grammar import Lang
from demo.names import draw_name
from demo.sentences import WORDS, clause, noun_phrase, strange_word, url, word
from demo.slots import draw
from demo.split import held_pair, held_value

FOLDER: Final = Path(__file__).parent
_TRIES: Final = 500
_MONTHS: Final = "January February March April May June July August September October November December".split()
_DAYS: Final[Mapping[Lang, Sequence[str]]] = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday tomorrow tonight".split(),
    "zh": "周一 周二 周三 周四 周五 周六 周日 明天 后天".split(),
}


@dataclass(frozen=True, slots=True)
class Value:
    """One value."""

    text: str  # as it stands in a sentence
    json: Any
    worth: Any = None  # what a tool that works it out gives back


Values: TypeAlias = Mapping[str, Value]
_Make: TypeAlias = Callable[[Random, Lang], Value]


@cache
def read_table(name: str) -> Mapping[str, Any]:
    """One of the TOML files beside this module."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def lines_of(text: str) -> tuple[str, ...]:
    """The lines of a block that hold something."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


@cache
def pool(name: str) -> tuple[tuple[str, str], ...]:
    """The English and the Chinese words of a pool; one without `=` is the same in both."""
    both = (line.partition("=") for part in lines_of(read_table("pools")[name]) for line in part.split(" | "))
    return tuple((left.strip(), (right or left).strip()) for left, _, right in both)


def in_lang(pair: tuple[str, str], lang: Lang) -> str:
    """The word of a pair of a pool in this language."""
    return pair[0] if lang == "en" else pair[1]


def draw_value(draws: str, rng: Random, lang: Lang, *, held: bool) -> Value:
    """A value of this make, such as `int 1 60`; `held` takes those kept out of training."""
    make, *more = draws.split()
    if make in ("name", "city"):
        return _plain(draw(make, rng, lang, held=held))
    for _ in range(_TRIES):
        found = _MAKES[make](rng, lang) if not more else _ARGUED[make](rng, lang, more)
        if held_value(f"tool {make}", found.text) == held:
            return found
    raise ValueError(f"no value of {draws!r} is on this side of the split")


def draw_options(name: str, rng: Random, lang: Lang, own: Lang, *, held: bool) -> tuple[Value, ...]:
    """What an enum allows: as a user of `lang` says it, and as a tool written in `own` spells it."""
    fit = [pair for pair in pool(name) if held_value(f"tool {name}", pair[0]) == held]
    chosen = rng.sample(fit, min(len(fit), rng.randint(2, 4)))
    return tuple(Value(in_lang(pair, lang), in_lang(pair, own)) for pair in chosen)


def switch(rng: Random, lang: Lang) -> Value:
    """On or off: too few to keep a part of them."""
    on = rng.random() < 0.5
    return Value({"en": ("off", "on"), "zh": ("关", "开")}[lang][on], on)


def _plain(text: str) -> Value:
    return Value(text, text)


def _number(rng: Random, _lang: Lang, more: list[str]) -> Value:
    low, high = map(float, more)
    found = round(rng.uniform(low, high), rng.choice((0, 0, 1, 2)))
    return _figure(found)


def _figure(found: float) -> Value:
    whole = int(found) if found == int(found) else found
    return Value(str(whole), whole)


def _int(rng: Random, _lang: Lang, more: list[str]) -> Value:
    low, high = map(int, more)
    return _figure(rng.randint(low, high) if rng.random() < 0.6 else rng.randint(low, min(high, low + 30)))


def _pool(rng: Random, lang: Lang, more: list[str]) -> Value:
    return _plain(in_lang(rng.choice(pool(more[0])), lang))


def _open_pool(rng: Random, lang: Lang, more: list[str]) -> Value:
    """Mostly of a pool, sometimes a word that nobody knows."""
    return _plain(strange_word(rng, lang)) if rng.random() < 0.3 else _pool(rng, lang, more)


def _text(rng: Random, lang: Lang) -> Value:
    makers = (clause, clause, noun_phrase, word, _task_text)
    return _plain(rng.choice(makers)(rng, lang)[:48].strip())


def _phrase(rng: Random, lang: Lang) -> Value:
    return _plain(noun_phrase(rng, lang) if rng.random() < 0.7 else _both(rng, lang))


def _both(rng: Random, lang: Lang) -> str:
    joint = " " if lang == "en" else "的"
    return f"{rng.choice(WORDS[lang].adjectives)}{joint}{rng.choice(WORDS[lang].nouns)}"


def _task_text(rng: Random, lang: Lang) -> str:
    words = WORDS[lang]
    verb, noun = rng.choice(words.verbs), rng.choice(words.nouns)
    if lang == "zh":
        return rng.choice((f"{verb}{noun}", f"给{draw_name(rng, 'zh')}{verb}{noun}", f"{verb}{_both(rng, lang)}"))
    name = draw_name(rng, lang)
    return rng.choice((f"{verb} the {noun}", f"{verb} the {_both(rng, lang)}", f"{verb} {noun}s for {name}"))


def _task(rng: Random, lang: Lang) -> Value:
    return _plain(_task_text(rng, lang))


def _title(rng: Random, lang: Lang) -> Value:
    if lang == "zh":
        return _plain(rng.choice((_both(rng, lang), rng.choice(WORDS[lang].nouns), draw_name(rng, lang))))
    first, second = (rng.choice(WORDS[lang].nouns).capitalize() for _ in "ab")
    adjective = rng.choice(WORDS[lang].adjectives).capitalize()
    return _plain(rng.choice((f"{adjective} {first}", f"The {first}", f"{first} and {second}", draw_name(rng, lang))))


def _time(rng: Random, lang: Lang) -> Value:
    hour, minute = rng.randint(0, 23), rng.choice((0, 0, 15, 30, 45, rng.randint(1, 59)))
    clock = rng.choice((f"{hour}:{minute:02}", f"{hour:02}:{minute:02}"))
    part = rng.choice(("am", "pm") if lang == "en" else ("早上", "晚上", "下午"))
    spoken = f"{hour % 12 + 1} {part}" if lang == "en" else f"{part}{hour % 12 + 1}点"
    return _plain(clock if rng.random() < 0.7 else spoken)


def _date(rng: Random, lang: Lang) -> Value:
    year, month, day = rng.randint(2024, 2031), rng.randint(1, 12), rng.randint(1, 28)
    if lang == "zh":
        spoken = (f"{month}月{day}日", f"{month}月{day}号", rng.choice(_DAYS["zh"]))
    else:
        spoken = (f"{day} {_MONTHS[month - 1]}", f"{_MONTHS[month - 1]} {day}", rng.choice(_DAYS["en"]))
    return _plain(rng.choice((f"{year}-{month:02}-{day:02}", *spoken)))


def _phone(rng: Random, _lang: Lang) -> Value:
    digits = "".join(rng.choices("0123456789", k=rng.randint(6, 11)))
    return _plain(rng.choice((digits, f"{digits[:3]}-{digits[3:]}", f"+{digits}")))


def _email(rng: Random, _lang: Lang) -> Value:
    nouns = WORDS["en"].nouns
    first, host = draw_name(rng, "en").casefold(), rng.choice(nouns)
    plain = "".join(char for char in first if char.isascii() and char.isalnum()) or rng.choice(nouns)
    return _plain(f"{plain}@{host}.{rng.choice(('com', 'org', 'net', 'cn', 'example'))}")


def _code(rng: Random, _lang: Lang) -> Value:
    return _plain("".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=rng.randint(2, 5))))


def _sum(rng: Random, _lang: Lang) -> Value:
    a, b, c = (rng.randint(2, 10 ** rng.randint(1, 3)) for _ in "abc")
    while held_pair(a, b):  # a tool's result would tell the demo what it is to work out itself
        b = rng.randint(2, 999)
    mark = rng.choice(("", "", " "))
    forms = (
        (f"{a}{mark}*{mark}{b}", a * b),
        (f"{a}{mark}+{mark}{b}", a + b),
        (f"{a}{mark}-{mark}{b}", a - b),
        (f"{a * b}{mark}/{mark}{b}", a),
        (f"({a}{mark}+{mark}{b}){mark}*{mark}{c}", (a + b) * c),
        (f"{a}{mark}*{mark}{b}{mark}+{mark}{c}", a * b + c),
        (f"{a % 30}**2", (a % 30) ** 2),
    )
    text, worth = rng.choice(forms)
    return Value(text, text, worth)


def _program(rng: Random, _lang: Lang) -> Value:
    n, m, noun = rng.randint(2, 99), rng.randint(2, 20), rng.choice(WORDS["en"].nouns)
    forms = (
        (f"print({n} * {m})", n * m),
        (f"print(sum(range({n})))", sum(range(n))),
        (f"print(len('{noun}'))", len(noun)),
        (f"print('{noun}'[::-1])", noun[::-1]),
        (f"print('{noun}'.upper())", noun.upper()),
        (f"print({n} % {m})", n % m),
        (f"print(max({n}, {m}))", max(n, m)),
        (f"print(2 ** {m})", 2**m),
        (f"print('{noun[:3]}' * {m % 4 + 2})", noun[:3] * (m % 4 + 2)),
    )
    text, worth = rng.choice(forms)
    return Value(text, text, worth)


def _words(rng: Random, lang: Lang) -> Value:
    pairs = [rng.choice((*WORDS[lang].adjectives, *WORDS[lang].nouns)) for _ in range(rng.choice((2, 2, 3)))]
    words = list(dict.fromkeys(pairs))
    if lang == "zh":
        return Value("、".join(words), words)
    *first, last = words
    return Value(f"{', '.join(first)} and {last}" if first else last, words)


def _other_tongue(rng: Random, lang: Lang) -> Value:
    tongue: Lang = "en" if lang == "zh" else rng.choice(("en", "zh"))
    return _plain(rng.choice((strange_word, strange_word, clause))(rng, tongue))


def _unknown(rng: Random, lang: Lang) -> Value:
    return _plain(strange_word(rng, lang) if rng.random() < 0.5 else draw_name(rng, lang))


_MAKES: Final[dict[str, _Make]] = {
    "text": _text,
    "phrase": _phrase,
    "task": _task,
    "title": _title,
    "time": _time,
    "date": _date,
    "phone": _phone,
    "email": _email,
    "symbol": _code,
    "sum": _sum,
    "program": _program,
    "words": _words,
    "tongue": _other_tongue,
    "unknown": _unknown,
    "url": lambda rng, lang: _plain(url(rng, lang)),
}
_ARGUED: Final[dict[str, Callable[[Random, Lang, list[str]], Value]]] = {
    "int": _int,
    "number": _number,
    "pool": _pool,
    "open": _open_pool,
}
