"""Tokens/s of `Chat.stream` on our vLLM engine, from messages to text, against bare `AsyncLLM`.

The other side is given token ids and lets vLLM make the text (`detokenize=True`, DELTA). Both sides have the same
arguments, weights, prompts and number of tokens, decode greedily, and live in a process of their own side by side; they
are measured in turn. What vLLM made of its arguments is read back on both, and the run fails where that differs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bars import read_bars, report
from geometries import make_checkpoint
from model_flags import add_model_flags, engine_settings, model_settings
from paper import also_written, machine
from vllm_sides import SIDES, Load, Measured, Remote, Setup

_NAMES: Final = tuple(SIDES)
_ROOM: Final = 256  # tokens of KV for each stream's prompt and its half-filled blocks


def check_settings(sides: Mapping[str, Remote]) -> None:
    """Print what both run with.

    Raises:
        SystemExit: it is not the same.
    """
    ours, theirs = (sides[name].settings for name in _NAMES)
    for name, settings in zip(_NAMES, (ours, theirs), strict=True):
        print(f"{name}: {', '.join(f'{key}={value}' for key, value in settings.items())}")
    if differing := [key for key in ours if ours[key] != theirs[key]]:
        raise SystemExit(f"the two sides run with different {', '.join(differing)}: nothing was measured")


def check_work(load: Load, results: Mapping[str, Measured]) -> float:
    """The share of answers that are the same text on both sides.

    Raises:
        SystemExit: the two did not do the same work, or a prompt was found in the prefix cache.
    """
    ours, theirs = (results[name].answers for name in _NAMES)
    if any(answer.tokens not in load.tokens or answer.cached_tokens for answer in (*ours, *theirs)):
        raise SystemExit(f"{load}: an answer has not as many tokens as asked for, or a prompt was cached")
    sizes, others = ([(answer.prompt_tokens, answer.tokens) for answer in side] for side in (ours, theirs))
    if sizes != others:
        raise SystemExit(f"{load}: the two sides had different prompts or answers")
    return statistics.mean(mine.text == other.text for mine, other in zip(ours, theirs, strict=True))


def compare(sides: Mapping[str, Remote], arguments: argparse.Namespace) -> dict[int, float]:
    """Measure both sides in turn, a round that warms up first; gives ours / theirs by the number of streams."""
    results: dict[int, list[dict[str, Measured]]] = {streams: [] for streams in arguments.streams}
    same: list[float] = []
    apart = round(arguments.spread * arguments.tokens)
    lengths = (arguments.tokens, arguments.tokens + apart, arguments.tokens - apart)
    for round_ in range(arguments.rounds + 1):
        for streams in arguments.streams:
            questions = max(arguments.questions, -(-arguments.least_tokens // (streams * arguments.tokens)))
            load = Load(label=f"{round_} {streams}", streams=streams, questions=questions, tokens=lengths)
            order = _NAMES if round_ % 2 else _NAMES[::-1]
            result = {name: sides[name].measure(load) for name in order}
            same.append(check_work(load, result))
            speeds = ", ".join(f"{name} {result[name].tokens_per_s:.0f}" for name in _NAMES)
            print(f"round {round_}, {streams} streams, tokens/s: {speeds}")
            if round_:
                results[streams].append(result)
    print(f"answers whose text is the same on both sides: {statistics.mean(same):.1%} (bfloat16 rounds by batch)")
    print(f"{'streams':>7}  {'side':5} {'tokens/s':>9} {'(least-most)':>15} {'first text ms':>14} {'CPU us/token':>13}")
    return {streams: _print_rows(streams, rounds) for streams, rounds in results.items()}


def _print_rows(streams: int, rounds: Sequence[Mapping[str, Measured]]) -> float:
    middle: dict[str, float] = {}
    for name in _NAMES:
        speeds = [result[name].tokens_per_s for result in rounds]
        middle[name] = statistics.median(speeds)
        spread = f"({min(speeds):.0f}-{max(speeds):.0f})"
        first = statistics.median(result[name].first_ms for result in rounds)
        cpu = statistics.median(result[name].cpu_us for result in rounds)
        print(f"{streams:7}  {name:5} {middle[name]:9.0f} {spread:>15} {first:14.1f} {cpu:13.1f}")
    pairs = statistics.median(result["chat"].tokens_per_s / result["bare"].tokens_per_s for result in rounds)
    ratio = middle["chat"] / middle["bare"]
    print(f"{streams:7}  ratio {ratio:9.3f}  (median of the rounds' own ratios {pairs:.3f})")
    return ratio


def run(arguments: argparse.Namespace, path: Path, logs: Path) -> dict[int, float]:
    """Start both sides and compare them; see `compare`."""
    import torch

    if arguments.gpu_memory_share is None and torch.cuda.is_available():
        arguments.gpu_memory_share = 0.45  # the two sides live side by side
    most = max(arguments.streams)
    engine = engine_settings(
        arguments,
        kv_capacity=max(arguments.context_window, most * (2 * arguments.tokens + _ROOM)),
        max_sequences=most,
        log=logs / "vllm.log",
    )
    setup = Setup(model=model_settings(arguments, path, "vllm"), engine=engine)
    print(f"{arguments.geometry}, random weights; {arguments.tokens} tokens an answer, {arguments.rounds} rounds")
    print(machine())
    sides: dict[str, Remote] = {}
    try:
        for name in _NAMES:
            own = replace(setup, engine=replace(engine, log_file=logs / f"vllm-{name}.log"))
            sides[name] = Remote(name, own, arguments.patience)
            sides[name].wait()  # one after the other, so that each finds the machine the same
        check_settings(sides)
        return compare(sides, arguments)
    finally:
        for side in sides.values():
            side.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=64, help="of an answer, on average")
    parser.add_argument("--spread", type=float, default=0.0, help="how far answers differ from it, as a share")
    # With few, what is measured is how a burst begins and ends: half-filled batches, not the streams' rate.
    parser.add_argument("--questions", type=int, default=8, help="of each stream, one after the other, at least")
    parser.add_argument("--least-tokens", type=int, default=4096, help="of each measurement, for which more are asked")
    parser.add_argument("--patience", type=float, default=600, help="seconds for a side to start, or to answer")
    add_model_flags(parser, geometry="2.9M", context_window=1024)
    arguments = parser.parse_args()
    with also_written(arguments.out), tempfile.TemporaryDirectory() as directory:
        path = make_checkpoint(Path(directory) / "model", arguments.geometry)
        ratios = run(arguments, path, arguments.logs or Path(directory))
        print()
        bars = read_bars()
        named = {f"vllm_engine.tokens_{streams}": ratio for streams, ratio in ratios.items()}
        report("vllm_engine", {name: ratio for name, ratio in named.items() if name in bars})


if __name__ == "__main__":
    main()
