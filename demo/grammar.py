"""The grammar: what people type and what the demo answers, by topic, as text files."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Final, Literal, TypeAlias

from demo.split import held_idea, held_phrasing

Lang: TypeAlias = Literal["en", "zh"]

LANGS: Final[tuple[Lang, ...]] = ("en", "zh")
GRAMMAR_DIR: Final = Path(__file__).parent / "grammar"
SLOT: Final = re.compile(r"\{(\w+)\}")
_FRAGMENTS: Final = ("opener", "closer")  # small words, no phrasings of anything
_MANY: Final = 16  # lines of a section from which some are kept out whole
_TRIES: Final = 24
_BARE: Final[dict[Lang, int]] = {"en": 6, "zh": 3}  # characters: what is shorter is typed as it is
_BEFORE: Final[Mapping[str, Mapping[Lang, tuple[str, ...]]]] = {
    "ask": {
        "en": ("Tell me,", "Say,", "May I ask,", "Just curious,", "One question:", "I wonder,", "Quick one:"),
        "zh": ("请问，", "我想问，", "问一下，", "说说看，", "好奇问一句，", "想知道，", "顺便问问，"),
    },
    "say": {
        "en": ("Well,", "Now,", "Right,", "Listen,", "OK then,", "All right,", "You know,"),
        "zh": ("嗯，", "那个，", "跟你说，", "我说，", "对了，", "好吧，", "是这样，"),
    },
    "system": {
        "en": ("Please:", "Rule:", "Important:", "From now on:", "Your task:", "Note:"),
        "zh": ("注意：", "要求：", "请记住：", "从现在起，", "规则：", "设定："),
    },
}
_CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Topic:
    """The lines of one section."""

    users: list[str] = field(default_factory=list[str])  # lines of training; a quarter of their wordings is held out
    far: list[str] = field(default_factory=list[str])  # lines of which training sees no wording
    answers: list[str] = field(default_factory=list[str])
    short: list[str] = field(default_factory=list[str])  # answers in a few words


@cache
def load_grammar(lang: Lang) -> Mapping[str, Topic]:
    """The topics of one language by name, from every file of its folder."""
    topics: dict[str, Topic] = {}
    for path in sorted((GRAMMAR_DIR / lang).glob("*.txt")):
        _read(path, topics)
    for name, topic in topics.items():
        if len(topic.users) >= _MANY and name not in _FRAGMENTS:
            topic.far.extend(line for line in topic.users if held_idea(f"{lang}/{name}", line))
            topic.users[:] = [widened(line, lang, name) for line in topic.users if line not in topic.far]
    return topics


def widened(line: str, lang: Lang, section: str = "") -> str:
    """A line with a few small words before it half the time, where it has hardly any wordings of its own."""
    if line.count("|") >= 3 or line.startswith("{") or len(SLOT.sub("", line)) < _BARE[lang]:
        return line
    kind = "system" if section.startswith(("system", "mood")) else "ask" if line.endswith(("?", "？")) else "say"
    before = _BEFORE[kind][lang]
    if lang == "en" and not line.startswith(("I ", "I'", "[", "{")):
        bare, lowered = f"{line[0]}|" * len(before), "|".join(f"{words} {line[0].lower()}" for words in before)
        return f"[{bare}{lowered}]{line[1:]}"
    gap = " " if lang == "en" else ""
    return f"[{'|' * len(before)}{'|'.join(words + gap for words in before)}]{line}"


def unopened(line: str, lang: Lang) -> str:
    """The line without the small words that `widened` put before it."""
    openers = [words for kind in _BEFORE.values() for words in kind[lang] if line.startswith(words)]
    return line.removeprefix(openers[0]).lstrip() if openers else line


def wording(line: str, rng: Random, *, held: bool) -> str | None:
    """One wording of a line, of training or of the quarter kept out of it; None where there seems to be none."""
    if "[" not in line:
        return None if held else line  # the one wording there is
    for _ in range(_TRIES):
        if held_phrasing(text := choose(line, rng)) == held:
            return text
    return None


@cache
def sections(lang: Lang, file: str) -> tuple[str, ...]:
    """The names of the sections of one file, in its order."""
    text = (GRAMMAR_DIR / lang / f"{file}.txt").read_text(encoding="utf-8")
    return tuple(line.removeprefix("== ") for line in text.splitlines() if line.startswith("== "))


def _read(path: Path, topics: dict[str, Topic]) -> None:
    topic = Topic()
    for line in path.read_text(encoding="utf-8").splitlines():
        mark, _, text = line.partition(" ")
        match mark:
            case "==":
                if text in topics:
                    raise ValueError(f"{path.name}: the section {text!r} stands in two places")
                topic = topics.setdefault(text, Topic())
            case ">":
                topic.users.append(text)
            case "-":
                topic.answers.append(text)
            case "~":
                topic.short.append(text)
            case "" | "#":
                pass
            case _:
                raise ValueError(f"{path.name}: a line without a mark: {line!r}")


@cache
def pairs(lang: Lang, section: str) -> tuple[tuple[str, str], ...]:
    """The `left => right` lines of a section."""
    lines = (line.partition(" => ") for line in load_grammar(lang)[section].answers)
    return tuple((left.strip(), right.strip()) for left, _, right in lines)


def choose(template: str, rng: Random) -> str:
    """The template with one of each `[a|b]` chosen, the inner ones first."""
    while match := _CHOICE.search(template):
        chosen = rng.choice(match[1].split("|"))
        template = f"{template[: match.start()]}{chosen}{template[match.end() :]}"
    return template


def expansions(template: str) -> list[str]:
    """Every text that `choose` may give."""
    match = _CHOICE.search(template)
    if match is None:
        return [template]
    head, tail = template[: match.start()], template[match.end() :]
    return [text for part in match[1].split("|") for text in expansions(f"{head}{part}{tail}")]


def fill(template: str, value_of: Callable[[str], str], *, spaced: bool = False) -> str:
    """The template with its slots filled.

    Args:
        template: A line of the grammar.
        value_of: Slot name -> text.
        spaced: Put a space where a Chinese character of the template would touch a Latin letter
            or a digit of a value, as Chinese typesetting does.
    """
    parts = SLOT.split(template)
    out = parts[0]
    for slot, text in zip(parts[1::2], parts[2::2], strict=True):
        value = value_of(slot)
        before = " " if spaced and touches(out[-1:], value[:1]) else ""
        after = " " if spaced and touches(text[:1], value[-1:]) else ""
        out = f"{out}{before}{value}{after}{text}"
    return out


def touches(own: str, foreign: str) -> bool:
    """Whether a Chinese character stands beside a Latin letter or a digit."""
    return is_han(own) and foreign.isalnum() and not is_han(foreign)


def is_han(char: str) -> bool:
    """Whether this is one character of the basic CJK block."""
    return len(char) == 1 and "\u4e00" <= char <= "\u9fff"
