"""Whether a model used its tools as the turn shows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from demo.turns import Call, Turn


@dataclass(frozen=True, slots=True)
class ToolTurn:
    """A turn, and what an answer to it must hold."""

    turn: Turn
    wanted: tuple[str, ...] = ()


def judge(shown: ToolTurn, calls: Sequence[Sequence[Call]], answer: str) -> bool:
    """Whether these rounds of calls are the turn's own, and the answer holds what it must."""
    return right_calls(shown.turn, calls) and right_answer(shown, answer)


def right_calls(turn: Turn, calls: Sequence[Sequence[Call]]) -> bool:
    """Whether the rounds are the same; calls of one round may come in any order."""
    return [_order(one.calls) for one in turn.rounds] == [_order(one) for one in calls]


def right_answer(shown: ToolTurn, answer: str) -> bool:
    """Whether the answer says something, and every wanted text."""
    return bool(answer.strip()) and all(text in answer for text in shown.wanted)


def read_call(text: str) -> Call | None:
    """A call as the model wrote it, or nothing where it is none."""
    name, _, arguments = text.strip().partition("\n")
    try:
        found = json.loads(arguments)
    except ValueError:
        return None
    return Call(name.strip(), found) if isinstance(found, dict) else None


def _order(calls: Sequence[Call]) -> list[str]:
    return sorted(f"{call.name}\n{json.dumps(call.arguments, sort_keys=True)}" for call in calls)
