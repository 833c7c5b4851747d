"""Holds the cases of the exams, in one process or in several that share the GPU."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Final

import torch

from demo.exams import pirate, strangers, write_cases
from demo.exams.case import Case, Held, Reply
from demo.lora import merged
from demo.talker import Talker

_ROOM: Final = {"cpu": 40_000, "cuda": 300_000}  # characters of one batch
_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Exam:
    """What is examined, on what, and how much of it. The same values give the same cases in every process."""

    folder: Path
    count: int  # cases of a skill in each language
    quick: bool = False  # only the two shortest of every exam and language
    adapter: Path | None = None
    dtype: str = "float32"
    greedy: bool = False

    def cases(self) -> list[Case]:
        """The exams of the checkpoint, or those of its adapter."""
        write = write_cases if self.adapter is None else pirate.write_cases
        cases = write(Random(_SEED), self.count)
        if self.quick:
            return shortest(cases, 2)
        cases = evenly(cases, self.count)
        return cases if self.adapter else cases + strangers.read()

    def talker(self, worker: int = 0) -> Talker:
        """The checkpoint, with the adapter if there is one, on this worker's share of the GPUs."""
        gpus = torch.cuda.device_count()
        device = f"cuda:{worker % gpus}" if gpus else "cpu"
        model = merged(self.folder, self.adapter) if self.adapter else None
        dtype, room = getattr(torch, self.dtype), _ROOM["cuda" if gpus else "cpu"]
        return Talker(self.folder, device, dtype=dtype, greedy=self.greedy, room=room, model=model)


def evenly(cases: Sequence[Case], count: int) -> list[Case]:
    """Of every skill and language `count`, as many of each of its exams; a few more where that does not go up."""
    exams: dict[tuple[str, str], set[str]] = {}
    for case in cases:
        exams.setdefault((case.skill, case.lang), set()).add(case.exam)
    kept: list[Case] = []
    seen: Counter[tuple[str, str, str]] = Counter()
    for case in cases:
        seen[key := (case.skill, case.exam, case.lang)] += 1
        if seen[key] <= -(-count // len(exams[case.skill, case.lang])):
            kept.append(case)
    return kept


def shortest(cases: Sequence[Case], each: int) -> list[Case]:
    """Of every exam and language the `each` shortest."""
    of_exam: dict[tuple[str, str, str], list[Case]] = {}
    for case in cases:
        of_exam.setdefault((case.skill, case.exam, case.lang), []).append(case)
    return [case for same in of_exam.values() for case in sorted(same, key=_size)[:each]]


def _size(case: Case) -> tuple[int, int]:
    return len(case.steps), sum(len(step.user) for step in case.steps)


def examine(exam: Exam, workers: int = 1) -> list[Held]:
    """Every case, held to its end.

    Args:
        exam: What to hold; sampling is seeded, so one worker's outcome is stable.
        workers: Processes. Each takes conversations of about the same number of steps.
    """
    cases = exam.cases()
    if workers == 1:
        torch.manual_seed(_SEED)
        return exam.talker().hold(cases)
    order = sorted(range(len(cases)), key=lambda at: (cases[at].longest, len(cases[at].steps)))
    size = -(-len(order) // workers)
    shares = [order[first : first + size] for first in range(0, len(order), size)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        done = [row for rows in pool.map(_share, [(exam, *job) for job in enumerate(shares)]) for row in rows]
    return [Held(cases[at], replies, ended) for at, replies, ended in done]


def _share(job: tuple[Exam, int, Sequence[int]]) -> list[tuple[int, list[Reply], bool]]:
    exam, worker, share = job
    cases = exam.cases()
    torch.manual_seed(_SEED)
    held = exam.talker(worker).hold([cases[at] for at in share])
    return [(at, one.replies, one.ended) for at, one in zip(share, held, strict=True)]
