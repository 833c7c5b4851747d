"""`duihua serve` on vLLM against vLLM's own servers: the same engine, the same settings, the same load over HTTP.

All servers live side by side and are measured in turn, in rounds. Beside ours and vLLM's Python server there may be its
Rust front (`--rust`) and several processes of its Python front (`--fronts`). What each engine runs with is written down
by the engine itself, and the run fails where that differs. What an idle server takes is printed; it is next to nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from bars import read_bars, report
from figures import AT_ONCE, GROWING, OURS, Results, ratio, show
from geometries import GEOMETRIES, make_checkpoint
from load import Generator, Load, question
from model_flags import add_model_flags, engine_settings
from paper import also_written, machine
from servers import Command, duihua_command, ending_on_sigterm, vllm_command
from versus import check_idle, check_settings, check_text, compare, started

_THEIRS: Final = "vllm"
_RUST: Final = "vllm-rust"
_ROOM: Final = 256  # tokens of KV for each stream's prompt and its half-filled blocks
_GROWN: Final = 8192  # tokens of such a history and some more
_HISTORY: Final = 100  # messages
_CPU_AT: Final = 64  # streams at which the front's processor time is judged


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
    with ExitStack() as stack:
        generator = stack.enter_context(closing(Generator(arguments.load_processes, arguments.patience)))
        servers = started(commands(arguments, path, logs), logs, arguments.patience, stack)
        check_settings(servers)
        check_idle(servers)
        has_weights = GEOMETRIES[arguments.geometry].has_weights
        check_text(servers, question("the same question for everyone", "", None), must=has_weights)
        return compare(servers, generator, loads(arguments), arguments.rounds)


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
