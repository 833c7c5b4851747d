"""Forty dialogues written by people who had not read the grammars: `demo/strangers.jsonl`.

Each line is one dialogue: `title`, `lang`, `system`, `tools` and `turns`; a turn has the `user`'s line
and what is `expect`ed of the reply (see `_check`).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from demo.exams.case import Case, Check, Reply, Step
from demo.exams.manners import declines
from demo.grammar import Lang, is_han

FILE: Final = Path(__file__).parents[1] / "strangers.jsonl"
SKILL: Final = "talks with strangers"
_LONGEST: Final = 460  # tokens; a stranger may ask for a story


def read() -> list[Case]:
    """Every dialogue as one case."""
    rows = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [_case(row) for row in rows]


def _case(row: Mapping[str, Any]) -> Case:
    steps = tuple(_step(turn["user"], turn.get("expect") or {}, row["lang"]) for turn in row["turns"])
    return Case(SKILL, "", row["lang"], steps, row["system"], tuple(row["tools"]), longest=_LONGEST, title=row["title"])


def _step(user: str, expect: Mapping[str, Any], lang: Lang) -> Step:
    then = expect.get("then") or {}
    rounds = [part for part in (expect, then) if part.get("calls")]
    results = tuple(tuple(part.get("results") or ()) for part in rounds)
    return Step(user, _check(expect, [part["calls"] for part in rounds], lang) if expect else None, results)


def _check(expect: Mapping[str, Any], rounds: Sequence[Sequence[Mapping[str, Any]]], lang: Lang) -> Check:
    """Every demand of `expect` at once: all, any, none, length, han, declines, calls (and then)."""

    def check(reply: Reply) -> bool:
        text = reply.answer.casefold()
        fewest, most = expect.get("length") or (0, 10_000)
        return (
            all(part.casefold() in text for part in expect.get("all") or ())
            and (not expect.get("any") or any(part.casefold() in text for part in expect["any"]))
            and not any(part.casefold() in text for part in expect.get("none") or ())
            and fewest <= len(reply.answer) <= most
            and expect.get("han") in (None, any(map(is_han, reply.answer)))
            and (not expect.get("declines") or declines(lang)(reply))
            and _called(reply, rounds)
        )

    return check


def _called(reply: Reply, rounds: Sequence[Sequence[Mapping[str, Any]]]) -> bool:
    """Whether these calls were made, and no others; calls of one round in any order."""
    made = [sorted(map(_parsed, calls), key=str) for calls in reply.calls]
    wanted = [sorted(((call["name"], call["arguments"]) for call in calls), key=str) for calls in rounds]
    return made == wanted


def _parsed(call: str) -> tuple[str, Any]:
    """A call as GLM-4 writes it; arguments that are no JSON equal nothing."""
    name, _, arguments = call.partition("\n")
    try:
        return name, json.loads(arguments)
    except ValueError:
        return name, object()
