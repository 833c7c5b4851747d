"""Sentences and pastes of everyday words: what the demo reads but need not understand."""

import string
from random import Random
from typing import Final

from demo.grammar import Lang
from demo.makes import EMOJI
from demo.names import draw_name
from demo.split import held_value
from demo.words import CHINESE, ENGLISH, Words, gb2312_chars

WORDS: Final[dict[Lang, Words]] = {"en": ENGLISH, "zh": CHINESE}


def noun_phrase(rng: Random, lang: Lang) -> str:
    """A noun phrase: known words, unknown ones, or both; none that is kept out of training as a thing."""
    while held_value("thing", phrase := _noun_phrase(rng, lang)):
        pass
    return phrase


def _noun_phrase(rng: Random, lang: Lang) -> str:
    words = WORDS[lang]
    noun, adjective = rng.choice(words.nouns), rng.choice(words.adjectives)
    roll = rng.random()
    if roll < 0.25:
        return noun
    if roll < 0.45:
        return f"{adjective} {noun}" if lang == "en" else f"{adjective}的{noun}"
    if roll < 0.6:
        return f"the {adjective} {noun}s" if lang == "en" else noun + rng.choice(words.nouns)
    if roll < 0.7:
        return f"{noun}s" if lang == "en" else rng.choice(ENGLISH.nouns)
    if roll < 0.85:
        return strange_word(rng, lang)
    return draw_name(rng, lang)


def strange_word(rng: Random, lang: Lang) -> str:
    """A word nobody knows."""
    if lang == "zh":
        return "".join(rng.choices(gb2312_chars(1), k=rng.randint(1, 4)))
    return draw_name(rng, "en").lower()


def place(rng: Random, lang: Lang) -> str:
    """A real or an invented place, none that is kept out of training as a city."""
    while held_value("city", found := rng.choice(WORDS[lang].places) if rng.random() < 0.4 else draw_name(rng, lang)):
        pass
    return found


def sentence(rng: Random, lang: Lang) -> str:
    """A sentence of everyday words with its full stop."""
    clauses = [clause(rng, lang) for _ in range(rng.choice((1, 1, 1, 2)))]
    if lang == "zh":
        return "，".join(clauses) + rng.choice("。。。！？")
    text = rng.choice((" and ", ", ", " because ", " but ")).join(clauses)
    return text[0].upper() + text[1:] + rng.choice(("", ".", ".", ".", "!", "?"))


def clause(rng: Random, lang: Lang) -> str:
    """A clause without punctuation: sometimes grammatical, sometimes a heap of words."""
    words = WORDS[lang]
    roll = rng.random()
    if roll < 0.2:
        pool = (*words.nouns, *words.verbs, *words.adjectives, *words.adverbs, *words.links)
        return _space(lang).join(rng.choices(pool, k=rng.randint(2, 9)))
    if roll < 0.3:
        return _space(lang).join(strange_word(rng, lang) for _ in range(rng.randint(2, 7)))
    return _english_clause(rng, words) if lang == "en" else _chinese_clause(rng, words)


def _english_clause(rng: Random, words: Words) -> str:
    who = rng.choice(
        ("the {n}", "a {n}", "my {n}", "our {n}", "we", "they", "she", "he", "you", "some {a} {n}s", "I", "this {n}")
    )
    verb = rng.choice(("{v}s", "will {v}", "can {v}", "did not {v}", "had to {v}", "wants to {v}", "is"))
    what = rng.choice(
        ("the {a} {n}", "{n}s", "every {n}", "a {n} {l} the {n}", "{a} {n}s", "it {d}", "{a}", "{l} the {a} {n}")
    )
    return _worded(f"{who} {verb} {what}", rng, words)


def _chinese_clause(rng: Random, words: Words) -> str:
    who = rng.choice(("这个{n}", "我的{n}", "我们", "他们", "她", "他", "{a}的{n}", "{n}", "大家", "我", "有人"))
    verb = rng.choice(("{d}{v}", "{v}了", "会{v}", "没有{v}", "想{v}", "{l}{n}{v}"))
    what = rng.choice(("{a}的{n}", "{n}", "每个{n}", "{n}里的{n}", "那些{n}", "一个{n}"))
    return _worded(who + verb + what, rng, words)


def _worded(pattern: str, rng: Random, words: Words) -> str:
    classes = {"n": words.nouns, "v": words.verbs, "a": words.adjectives, "d": words.adverbs, "l": words.links}
    out = ""
    for index, part in enumerate(pattern.replace("}", "{").split("{")):
        out += rng.choice(classes[part]) if index % 2 else part
    return out


def _space(lang: Lang) -> str:
    return " " if lang == "en" else ""


def paste(rng: Random, lang: Lang) -> str:
    """A long text: prose, code, noise, or lines of a log."""
    length = int(60 * 20 ** rng.random())  # characters, 60 to 1,200
    maker = rng.choices((sentence, code, mash, row), (6, 1, 1, 1))[0]
    pieces: list[str] = []
    while sum(map(len, pieces)) < length:
        pieces.append(maker(rng, lang))
    glue = "\n" if maker in (code, row) else rng.choice((" ", " ", "\n")) if lang == "en" else ""
    return glue.join(pieces)


def code(rng: Random, _lang: Lang) -> str:
    """A line that looks like a program."""
    a, b, c = (rng.choice(ENGLISH.nouns) for _ in range(3))
    n = rng.randint(0, 999)
    return rng.choice(
        (
            f"def {a}({b}, {c}=None): return {b}",
            f"for {a} in range({n}): print({a})",
            f"{a} = {b}[{n}] + {c}.{a}()",
            f"<{a} class='{b}'>{c}</{a}>",
            f"SELECT {a} FROM {b} WHERE {c} = {n};",  # noqa: S608 (never run)
            f'{{"{a}": {n}, "{b}": ["{c}"]}}',
            f"    if not self.{a}: raise {b.capitalize()}Error('{c}')",
            f"$ {a} --{b} {n} | {c}",
        )
    )


def row(rng: Random, lang: Lang) -> str:
    """A line of a table or of a log."""
    return f"{rng.randint(0, 23)}:{rng.randint(10, 59)}\t{noun_phrase(rng, lang)}, {rng.randint(0, 99999)}"


def mash(rng: Random, _lang: Lang) -> str:
    """Keys hit at random."""
    pools = (
        string.ascii_lowercase,
        "asdfjkl;",
        string.printable[:94],
        string.digits,
        "!?.-*#@",
        gb2312_chars(1),
        "哈啊嗯哦",
        EMOJI,
    )
    return "".join(rng.choices(rng.choice(pools), k=rng.randint(3, 24)))


def word(rng: Random, lang: Lang) -> str:
    """One word of the dictionary."""
    words = WORDS[lang]
    return rng.choice(rng.choice((words.nouns, words.verbs, words.adjectives)))


def url(rng: Random, _lang: Lang) -> str:
    """An address on the web that does not exist."""
    host, page = (rng.choice(ENGLISH.nouns) for _ in range(2))
    return f"https://www.{host}{rng.randint(1, 99)}.example/{page}?id={rng.randint(1, 9999)}"
