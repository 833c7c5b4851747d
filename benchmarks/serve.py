"""`duihua serve` on vLLM against vLLM's own servers: the same engine, the same settings, the same load over HTTP.

All servers live side by side and are measured in turn, in rounds. Beside ours and vLLM's Python server there may be its
Rust front (`--rust`) and several processes of its Python front (`--fronts`). What each engine runs with is written down
by the engine itself, and the run fails where that differs. What an idle server takes is printed; it is next to nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from answers import read_answer
from bars import read_bars, report
from figures import AT_ONCE, GROWING, OURS, Measured, Results, main_figure, ratio, show, summed_up
from geometries import make_checkpoint
from load import Generator, Load, exchange_alone, request_bytes
from model_flags import add_model_flags, engine_settings
from paper import also_written, machine
from servers import Command, Cpu, Server, duihua_command, ending_on_sigterm, vllm_command

_THEIRS: Final = "vllm"
_RUST: Final = "vllm-rust"
_ROOM: Final = 256  # tokens of KV for each stream's prompt and its half-filled blocks
_GROWN: Final = 8192  # tokens of such a history and some more
_HISTORY: Final = 100  # messages
_CPU_AT: Final = 64  # streams at which the front's processor time is judged
_IDLE_S: Final = 5.0


def measure(server: Server, load: Load, generator: Generator) -> Measured:
    """Put a load on a server."""
    seen: list[Cpu] = []
    answers = generator.put(load, server.port, lambda: seen.append(server.cpu()))
    return summed_up(answers, seen[1].since(seen[0]))


def loads(arguments: argparse.Namespace) -> dict[str, Load]:
    """Every case by its name; the label of each is still to be said."""
    cases: dict[str, Load] = {}
    for streams in arguments.streams:
        questions = max(arguments.questions, -(-arguments.least_tokens // (streams * arguments.tokens)))
        cases[str(streams)] = Load(label="", streams=streams, questions=questions, tokens=arguments.tokens)
    if arguments.growing:
        cases[GROWING] = Load(
            label="",
            streams=arguments.growing,
            questions=arguments.turns + 1,
            tokens=arguments.turn_tokens,
            history=_HISTORY,
            history_words=arguments.history_words,
        )
    if arguments.at_once:
        cases[AT_ONCE] = Load(label="", streams=arguments.at_once, questions=8, tokens=1, streamed=False)
    return cases


def commands(arguments: argparse.Namespace, path: Path, logs: Path) -> dict[str, Command]:
    """How each side is started, by its name."""
    import torch

    wanted = [OURS] * ("ours" in arguments.sides) + [_THEIRS] * ("vllm" in arguments.sides)
    wanted += [_RUST] * (arguments.rust is not None) + [f"{_THEIRS}-{n}" for n in arguments.fronts]
    if arguments.gpu_memory_share is None and torch.cuda.is_available():
        arguments.gpu_memory_share = round(0.9 / len(wanted), 2)  # they live side by side
    most = max([*arguments.streams, arguments.growing, arguments.at_once])
    capacity = max(most * (arguments.tokens + _ROOM), arguments.growing * _GROWN, arguments.context_window)
    engine = engine_settings(arguments, kv_capacity=capacity, max_sequences=most, log=logs / "unused.log")
    made = {
        OURS: lambda: duihua_command(str(path), engine, ("--max-waiting", str(most), *arguments.our_flag)),
        _THEIRS: lambda: vllm_command(path, engine),
        _RUST: lambda: vllm_command(path, engine, rust=arguments.rust),
    }
    made |= {
        f"{_THEIRS}-{n}": lambda n=n: vllm_command(path, engine, ("--api-server-count", str(n)))
        for n in arguments.fronts
    }
    return {name: made[name]() for name in wanted}


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


def check_text(servers: Mapping[str, Server]) -> None:
    """One question, decoded greedily with a seed and alone, must be answered alike.

    Raises:
        SystemExit: it is not.
    """
    message = json.dumps({"role": "user", "content": "the same question for everyone"}).encode()
    texts: dict[str, str] = {}
    for name, server in servers.items():
        for streamed in (True, False):
            request = request_bytes([message], tokens=48, streamed=streamed, more='"seed":7,')
            texts[f"{name}, {'streamed' if streamed else 'whole'}"] = read_answer(
                *exchange_alone(server.port, request)
            ).text
    if len(set(texts.values())) > 1:
        raise SystemExit("\n".join(["the same question was not answered alike:", *map(str, texts.items())]))
    print(f"one question, greedy, seed 7, streamed and whole: the same {len(texts.popitem()[1])} characters everywhere")


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
        if not load.history and side.sizes != sides[0].sizes:
            raise SystemExit(f"{case}: {name} had other prompts")
    return statistics.mean(len(set(texts)) == 1 for texts in zip(*(side.texts for side in sides), strict=True))


def compare(servers: Mapping[str, Server], generator: Generator, arguments: argparse.Namespace) -> Results:
    """Measure all sides in turn, after a round that warms up."""
    cases = loads(arguments)
    results: Results = {case: [] for case in cases}
    same: list[float] = []
    for round_ in range(arguments.rounds + 1):
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
        print(f"answers whose text is the same on all sides: {statistics.mean(same):.1%} (bfloat16 rounds by batch)")
    return results


def bars(results: Results) -> dict[str, float | None]:
    """The values of the bars, by their names."""
    values: dict[str, float | None] = {}
    for other, bar in ((_THEIRS, "vllm"), (_RUST, "rust")):
        for case in results:
            if case.isdigit():
                values[f"serve.tokens_vs_{bar}_{case}"] = ratio(results, case, other, lambda m: m.tokens_per_s)
    values["serve.ttft_growing"] = ratio(results, GROWING, _THEIRS, lambda m: m.first_ms[0])
    values["serve.front_cpu"] = ratio(results, str(_CPU_AT), _THEIRS, lambda m: m.front_ms)
    named = [name for name in read_bars() if name.startswith("serve.") and not name.endswith("_ms")]
    return {name: values.get(name) for name in named}


def run(arguments: argparse.Namespace, path: Path, logs: Path) -> Results:
    """Start the servers and compare them."""
    print(f"{arguments.geometry}, random weights; {arguments.tokens} tokens an answer, {arguments.rounds} rounds")
    print(machine())
    servers: dict[str, Server] = {}
    generator = Generator(arguments.load_processes, arguments.patience)
    try:
        for name, command in commands(arguments, path, logs).items():
            servers[name] = Server(name, command, logs)
            servers[name].wait(arguments.patience)  # one after the other, so that each finds the machine the same
        check_settings(servers)
        check_idle(servers)
        check_text(servers)
        return compare(servers, generator, arguments)
    finally:
        generator.close()
        for server in servers.values():
            server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="*", default=[1, 8, 32, 64, 128])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=64, help="of an answer")
    # With few, what is measured is how a burst begins and ends: half-filled batches, not the streams' rate.
    parser.add_argument("--questions", type=int, default=4, help="of each stream, one after the other, at least")
    parser.add_argument("--least-tokens", type=int, default=4096, help="of each measurement, for which more are asked")
    parser.add_argument("--growing", type=int, default=32, metavar="STREAMS", help="with growing histories; 0: none")
    parser.add_argument("--turns", type=int, default=5, help="of each growing history")
    parser.add_argument("--turn-tokens", type=int, default=16, help="of an answer there")
    parser.add_argument("--history-words", type=int, default=20, help="of a message there, two to three tokens each")
    parser.add_argument("--at-once", type=int, default=64, metavar="STREAMS", help="of one-token requests; 0: none")
    parser.add_argument("--sides", nargs="*", choices=("ours", "vllm"), default=["ours", "vllm"])
    parser.add_argument("--rust", type=Path, metavar="FILE", help="vLLM's Rust front (vllm-rs of the GPU wheel)")
    parser.add_argument("--fronts", type=int, nargs="*", default=[], help="vLLM with so many processes of its front")
    parser.add_argument("--our-flag", action="append", default=[], metavar="WORD", help="further, for `duihua serve`")
    parser.add_argument("--load-processes", type=int, default=1)
    parser.add_argument("--patience", type=float, default=600, help="seconds for a server to start, or to answer")
    add_model_flags(parser, geometry="2.9M", context_window=_GROWN)
    arguments = parser.parse_args()
    ending_on_sigterm()
    with also_written(arguments.out), tempfile.TemporaryDirectory() as directory:
        path = make_checkpoint(Path(directory) / "model", arguments.geometry)
        logs = arguments.logs or Path(directory)
        logs.mkdir(parents=True, exist_ok=True)
        results = run(arguments, path, logs)
        show(results)
        values = bars(results)
        print()
        report("serve", values)


if __name__ == "__main__":
    main()
