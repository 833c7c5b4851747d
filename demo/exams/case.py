"""One conversation of an exam, and what its answers must be."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

from demo.grammar import SLOT, Lang, expansions, fill, load_grammar
from demo.turns import ToolSchema


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one line of the user."""

    answer: str
    calls: tuple[tuple[str, ...], ...] = ()  # rounds of tool calls, each as the model wrote it


Check: TypeAlias = Callable[[Reply], bool]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the user, what its tools give back and what the reply must be."""

    user: str
    check: Check | None = None
    results: tuple[tuple[str, ...], ...] = ()  # for each round of calls


@dataclass(frozen=True, slots=True)
class Case:
    """One conversation; it is right where every judged step is."""

    skill: str  # as the issue of figures names it
    exam: str
    lang: Lang
    steps: tuple[Step, ...]
    system: str | None = None
    tools: tuple[ToolSchema, ...] = ()
    longest: int = 120  # tokens of an answer
    title: str = ""


@dataclass(slots=True)
class Held:
    """A case that was held: every reply, and whether each ended by itself."""

    case: Case
    replies: list[Reply] = field(default_factory=list[Reply])
    ended: bool = True

    @property
    def right(self) -> bool:
        """Whether every judged reply is as it must be."""
        return self.ended and all(self.verdicts())

    def verdicts(self) -> list[bool]:
        """One for each judged step."""
        pairs = zip(self.case.steps, self.replies, strict=True)
        return [step.check(reply) for step, reply in pairs if step.check is not None]


def last_is(lines: Sequence[str], check: Check) -> tuple[Step, ...]:
    """Steps of which only the last is judged."""
    *before, last = lines
    return (*map(Step, before), Step(last, check))


def has(*texts: str) -> Check:
    """The answer holds every one of these, exactly, and calls nothing; a number not as a part of another."""
    patterns = [rf"(?<!\d){text}(?!\d)" if text.isdecimal() else re.escape(text) for text in texts]
    return lambda reply: not reply.calls and all(re.search(pattern, reply.answer) for pattern in patterns)


def says(lang: Lang, *topics: str) -> Check:
    """The answer is one of these topics' answers, whatever stands in the slots."""
    pattern = _pattern(lang, topics)
    return lambda reply: not reply.calls and pattern.fullmatch(reply.answer) is not None


def one_of(lang: Lang, topic: str, slots: Mapping[str, str]) -> Check:
    """The answer is one of this topic's answers with exactly these values in its slots."""
    lines = (*load_grammar(lang)[topic].answers, *load_grammar(lang)[topic].short)
    texts = {fill(text, slots.__getitem__, spaced=True) for line in lines for text in expansions(line)}
    return lambda reply: not reply.calls and reply.answer in texts


@cache
def _pattern(lang: Lang, topics: tuple[str, ...]) -> re.Pattern[str]:
    grammar = load_grammar(lang)
    lines = [line for name in topics for line in (*grammar[name].answers, *grammar[name].short)]
    return re.compile("|".join(as_pattern(text) for line in lines for text in expansions(line)), re.DOTALL)


def as_pattern(line: str) -> str:
    """A regular expression for a line whose slots may hold anything."""
    return " ?.+? ?".join(re.escape(part) for part in SLOT.split(line)[::2])


def number(value: int) -> Check:
    """The last number of the answer is this."""

    def check(reply: Reply) -> bool:
        numbers = re.findall(r"(?<!\d)-?\d+", reply.answer.replace(" - ", " – "))
        return bool(numbers) and int(numbers[-1]) == value

    return check


def wilson_low(right: int, count: int) -> float:
    """The lower bound of the share of right answers, 95 % two-sided."""
    if not count:
        return 0.0
    z, share = 1.96, right / count
    middle = share + z * z / (2 * count)
    spread = z * ((share * (1 - share) + z * z / (4 * count)) / count) ** 0.5
    return (middle - spread) / (1 + z * z / count)
