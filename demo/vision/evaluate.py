"""The figures of demo-vision: `python -m demo.vision.evaluate [DIR] [--quick] [--dtype float32 bfloat16] [--greedy]`.

A DIR that is not said is the bundled one. `--publish` writes them into the card and into docs/demo.md of both
languages: on two cores of a CPU the whole takes about a quarter of an hour for each dtype (`--workers 2`).
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Final

import torch

from demo.card import publish
from demo.evaluate import BUNDLED as DEMO
from demo.evaluate import QUICK, failures, how, parsed, take
from demo.examine import evenly, shortest
from demo.exams.case import Case, Held, Reply
from demo.figures import Figure, figures
from demo.vision.card import card
from demo.vision.exams import OTHERS, TO_REACH, ShownStep, write_cases
from demo.vision.questions import seen
from demo.vision.talker import Talker

BUNDLED: Final = DEMO.with_name("demo-vision")
_SEED: Final = 7


def cases_of(count: int, *, quick: bool = False) -> list[Case]:
    """`count` conversations of every skill in each language; quick: the two shortest of that many of every exam."""
    cases = write_cases(Random(_SEED), count)
    return shortest(cases, 2) if quick else evenly(cases, count)


@dataclass(frozen=True, slots=True)
class _Share:
    """Some of the cases, by their numbers. The same values give the same cases in every process."""

    folder: Path
    count: int
    quick: bool
    dtype: str
    greedy: bool
    numbers: Sequence[int]


def examine(args: argparse.Namespace, dtype: str) -> list[Held]:
    """Every case, held to its end by `--workers` processes that share the device; sampling is seeded."""
    count = QUICK if args.quick else args.count
    cases = cases_of(count, quick=args.quick)
    order = sorted(range(len(cases)), key=lambda at: (len(cases[at].steps), at))
    shares = [
        _Share(args.folder, count, args.quick, dtype, args.greedy, order[worker :: args.workers])
        for worker in range(args.workers)
    ]
    with ProcessPoolExecutor(len(shares), mp_context=get_context("spawn")) as pool:
        done = [row for rows in pool.map(_hold, shares) for row in rows]
    return [Held(cases[at], replies, ended) for at, replies, ended in sorted(done, key=lambda row: row[0])]


def _hold(share: _Share) -> list[tuple[int, list[Reply], bool]]:
    cases = cases_of(share.count, quick=share.quick)
    torch.manual_seed(_SEED)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    talker = Talker(share.folder, device, dtype=getattr(torch, share.dtype), greedy=share.greedy)
    held = talker.hold([cases[at] for at in share.numbers])
    return [(at, one.replies, one.ended) for at, one in zip(share.numbers, held, strict=True)]


def figures_of(held: Sequence[Held]) -> list[Figure]:
    """One for each skill followed by one for each of its exams."""
    return figures(held, TO_REACH, OTHERS)


def failures_of(held: Sequence[Held]) -> list[dict[str, object]]:
    """The conversations that went wrong, with what was in their pictures, to be read."""
    wrong = [one for one in held if not one.right]
    return [row | {"pictures": _pictured(one)} for one, row in zip(wrong, failures(wrong), strict=True)]


def _pictured(held: Held) -> list[str]:
    steps = (step for step in held.case.steps if isinstance(step, ShownStep))
    return [seen(picture, held.case.lang) for step in steps for picture in step.pictures]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=BUNDLED)
    parser.add_argument("--workers", type=int, default=1, help="processes that share the device")
    args = parsed(parser)
    text = take(args, lambda dtype: examine(args, dtype), figures_of, failures_of)
    print(text)
    if args.publish:
        (args.folder / "README.md").write_text(card(text, how(args)), encoding="utf-8")
        publish("sight", text)


if __name__ == "__main__":
    main()
