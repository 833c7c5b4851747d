"""Servers under the same load, measured in turn, and the checks that they do the same work.

All live side by side. What each engine of vLLM runs with is written down by the engine itself, and the run fails where
that differs. What an idle server takes is printed; it is next to nothing.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from answers import Answer, read_answer
from figures import Measured, Results, main_figure, summed_up
from load import Generator, Load, exchange_alone, request_bytes
from servers import Command, Cpu, Server

__all__ = ["ask_alone", "check_idle", "check_settings", "check_text", "compare", "started"]

_IDLE_S: Final = 5.0
# vLLM 0.26's Rust front has one token less in a twelfth of these prompts, by a tokenizer of its own; answers are alike.
_COUNTING_LESS: Final = ("vllm-rust",)


def started(commands: Mapping[str, Command], logs: Path, patience_s: float, stack: ExitStack) -> dict[str, Server]:
    """Start servers, which end with the stack; one after the other, so that each finds the machine the same."""
    servers: dict[str, Server] = {}
    for name, command in commands.items():
        servers[name] = Server(name, command, logs)
        stack.callback(servers[name].close)
        servers[name].wait(patience_s)
    return servers


def check_text(servers: Mapping[str, Server], message: bytes, *, must: bool) -> None:
    """One question, decoded greedily with a seed and alone, is to be answered alike.

    Args:
        servers: all sides.
        message: the question as JSON.
        must: whether it is an error where it is not. Weights that vLLM makes up are next to nothing, so that a
            token's lead over another is within the rounding of one kernel or the other.

    Raises:
        SystemExit: it is not, and must.
    """
    texts = {
        f"{name}, {'streamed' if streamed else 'whole'}": ask_alone(server, message, streamed=streamed).text
        for name, server in servers.items()
        for streamed in (True, False)
    }
    if len(set(texts.values())) > 1:
        complaint = "\n".join(["the same question was not answered alike:", *map(str, texts.items())])
        if must:
            raise SystemExit(complaint)
        print(complaint)
        return
    print(f"one question, greedy, seed 7, streamed and whole: the same {len(texts.popitem()[1])} characters everywhere")


def ask_alone(server: Server, message: bytes, *, streamed: bool = False) -> Answer:
    """Ask one question, greedily with a seed, for 48 tokens."""
    request = request_bytes([message], tokens=48, streamed=streamed, more='"seed":7,')
    return read_answer(*exchange_alone(server.port, request))


def check_settings(servers: Mapping[str, Server]) -> None:
    """Print what each runs with.

    Raises:
        SystemExit: it is not the same.
    """
    told = {name: server.settings() for name, server in servers.items()}
    first = next(iter(told.values()))
    for name, settings in told.items():
        print(f"{name}: {', '.join(f'{key}={value}' for key, value in settings.items())}")
        print(f"{name}: {servers[name].processes()}")
    for name, settings in told.items():
        if differing := [key for key in first if settings[key] != first[key]]:
            raise SystemExit(f"{name} runs with different {', '.join(differing)}: nothing was measured")


def check_idle(servers: Mapping[str, Server]) -> None:
    """Print what each takes while nobody asks: the others do so while one is measured."""
    before = {name: server.cpu() for name, server in servers.items()}
    time.sleep(_IDLE_S)
    for name, server in servers.items():
        took = (seconds / _IDLE_S for seconds in server.cpu().since(before[name]))
        print(f"{name}, idle: {', '.join(f'{share:.1%} of a processor' for share in took)} (front, engine)")


def compare(servers: Mapping[str, Server], generator: Generator, cases: Mapping[str, Load], rounds: int) -> Results:
    """Measure all sides in turn, after a round that warms up."""
    results: Results = {case: [] for case in cases}
    same: list[float] = []
    for round_ in range(rounds + 1):
        for case, load in cases.items():
            labelled = replace(load, label=f"{round_} {case}")
            order = list(servers) if round_ % 2 else list(servers)[::-1]
            result = {name: measure(servers[name], labelled, generator) for name in order}
            share = check_work(case, load, result)
            figures = ", ".join(f"{name} {main_figure(case)(result[name]):.1f}" for name in servers)
            print(f"round {round_}, {case}: {figures}")
            if round_:
                results[case].append(result)
                same += [] if load.history else [share]
    if same:
        print(f"answers whose text is the same on all sides: {statistics.mean(same):.1%} (sums round by batch)")
    return results


def check_work(case: str, load: Load, results: Mapping[str, Measured]) -> float:
    """The share of answers that are the same text on all sides.

    Raises:
        SystemExit: they did not do the same work.
    """
    sides = list(results.values())
    for name, side in results.items():
        if any(tokens != load.tokens for _, tokens in side.sizes):
            raise SystemExit(f"{case}: an answer of {name} has not as many tokens as asked for")
        # A history holds the answers, which may differ by rounding, and so may their tokens.
        otherwise = 0 if load.history else sum(a != b for a, b in zip(side.sizes, sides[0].sizes, strict=True))
        if otherwise and name not in _COUNTING_LESS:
            raise SystemExit(f"{case}: {name} had {otherwise} other prompts of {len(side.sizes)}")
        if otherwise:
            print(f"{case}: {name} counted {otherwise} of {len(side.sizes)} prompts otherwise")
    return statistics.mean(len(set(texts)) == 1 for texts in zip(*(side.texts for side in sides), strict=True))


def measure(server: Server, load: Load, generator: Generator) -> Measured:
    """Put a load on a server."""
    seen: list[Cpu] = []
    answers = generator.put(load, server.port, lambda: seen.append(server.cpu()))
    return summed_up(answers, seen[1].since(seen[0]))
