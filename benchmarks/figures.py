"""What answers tell of a server: its speed, its waiting times, its processor time; and the table of all sides."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from answers import Answer

__all__ = ["AT_ONCE", "GROWING", "OURS", "Measured", "Results", "at", "main_figure", "ratio", "show", "summed_up"]

OURS: Final = "duihua"
GROWING: Final = "growing"  # the cases that are not a number of streams
AT_ONCE: Final = "one token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a server did under a load."""

    tokens_per_s: float
    requests_per_s: float
    first_ms: tuple[float, float]  # p50 and p99 of the time to the first text
    gap_ms: float  # p99 of the time between two arrivals of text in one answer
    front_ms: float  # of processor time for each token, outside the engine: the same as seconds for 1,000
    all_ms: float  # with the engine
    texts: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]  # tokens of prompt and answer


def at(share: float, values: Sequence[float]) -> float:
    """The value below which this share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def summed_up(answers: Sequence[Answer], cpu: tuple[float, float]) -> Measured:
    """The figures of one measurement.

    Args:
        answers: all of them.
        cpu: seconds of the front's and the engine's processes.
    """
    wall_s = max(answer.ended for answer in answers) - min(answer.started for answer in answers)
    first = [(answer.arrivals[0] - answer.started) * 1e3 for answer in answers]
    gaps = [
        (after - before) * 1e3
        for answer in answers
        for before, after in zip(answer.arrivals, answer.arrivals[1:], strict=False)
    ]
    tokens = sum(answer.tokens for answer in answers)
    return Measured(
        tokens_per_s=tokens / wall_s,
        requests_per_s=len(answers) / wall_s,
        first_ms=(statistics.median(first), at(0.99, first)),
        gap_ms=at(0.99, gaps),
        front_ms=cpu[0] / tokens * 1e3,
        all_ms=sum(cpu) / tokens * 1e3,
        texts=tuple(answer.text for answer in answers),
        sizes=tuple((answer.prompt_tokens, answer.tokens) for answer in answers),
    )


Results = dict[str, list[dict[str, Measured]]]  # by case, by round, by side


def main_figure(case: str) -> Callable[[Measured], float]:
    """What a case is about."""
    if case == GROWING:
        return lambda measured: measured.first_ms[0]
    return (lambda measured: measured.requests_per_s) if case == AT_ONCE else lambda measured: measured.tokens_per_s


def show(results: Results) -> None:
    """Print the table."""
    print(
        f"{'streams':>9}  {'side':10} {'tokens/s':>8} {'(least-most)':>15} {'req/s':>7} {'first ms':>9} {'p99':>8}"
        f" {'gap p99':>8} {'front CPU':>9} {'all CPU':>8}  (CPU: s per 1,000 tokens)"
    )
    for case, rounds in results.items():
        for name in rounds[0]:
            side = [result[name] for result in rounds]
            speeds = [measured.tokens_per_s for measured in side]
            print(
                f"{case:>9}  {name:10} {statistics.median(speeds):8.0f} {f'({min(speeds):.0f}-{max(speeds):.0f})':>15}"
                f" {_middle(side, lambda m: m.requests_per_s):7.1f} {_middle(side, lambda m: m.first_ms[0]):9.1f}"
                f" {_middle(side, lambda m: m.first_ms[1]):8.1f} {_middle(side, lambda m: m.gap_ms):8.1f}"
                f" {_middle(side, lambda m: m.front_ms):9.4f} {_middle(side, lambda m: m.all_ms):8.4f}"
            )


def _middle(side: Sequence[Measured], figure: Callable[[Measured], float]) -> float:
    return statistics.median(figure(measured) for measured in side)


def ratio(results: Results, case: str, other: str, figure: Callable[[Measured], float]) -> float | None:
    """Ours by theirs, of the medians; None where a side or the case is missing. Printed with the rounds' own ratios."""
    rounds = results.get(case)
    if not rounds or not {OURS, other} <= rounds[0].keys():
        return None
    ours, theirs = ([figure(result[name]) for result in rounds] for name in (OURS, other))
    value = statistics.median(ours) / statistics.median(theirs)
    own = statistics.median(mine / its for mine, its in zip(ours, theirs, strict=True))
    print(f"{case:>9}  {OURS} / {other}: {value:.3f}  (median of the rounds' own ratios {own:.3f})")
    return value
