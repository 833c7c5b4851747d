"""Dialogues with tools: what is on offer, how it is used, and whether a model used it well."""

from demo.tools.bench import Bench, Tool, draw_bench
from demo.tools.judge import ToolTurn, judge, read_call, right_answer, right_calls
from demo.tools.skills import asking, at_once, failing, in_a_row, one, unfit

__all__ = [
    "Bench",
    "Tool",
    "ToolTurn",
    "asking",
    "at_once",
    "draw_bench",
    "failing",
    "in_a_row",
    "judge",
    "one",
    "read_call",
    "right_answer",
    "right_calls",
    "unfit",
]
