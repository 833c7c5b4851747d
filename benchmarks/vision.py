"""Pictures over HTTP: `duihua serve` on vLLM against vLLM's own server, on Transformers against a thread per request.

Each request is a chat completion that shows one picture, in a data URL, that nobody has seen before. The sides of one
engine live side by side and are measured in turn, in rounds. On a GPU machine without a network:

    python benchmarks/vision.py --geometry glm4.1v-9B --sides ours vllm --streams 1 8 32 --picture 672x448

runs the shape of GLM-4.1V-9B with weights that vLLM makes up; `--sides ours` leaves the others out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from bars import read_bars, report
from figures import OURS, Results, ratio, show
from geometries import GEOMETRIES, make_checkpoint
from load import Generator, Load, question
from model_flags import add_model_flags, engine_settings
from paper import also_written, machine
from seeing import PATCH_SIDE, Size
from servers import Command, Server, duihua_command, ending_on_sigterm, vllm_command
from versus import ask_alone, check_idle, check_settings, check_text, compare, started

from duihua.engine.settings import EngineSettings

_VLLM: Final = "vllm"
_THREADS: Final = "threads"
_ROOM: Final = 256  # tokens of KV for what stands beside a picture, and for half-filled blocks
_AT_ONCE: Final = 8  # requests on Transformers
_TEXT: Final = "the same question for everyone"


def on_vllm(arguments: argparse.Namespace, path: Path, logs: Path) -> dict[str, Command]:
    """How each side on vLLM is started, by its name."""
    import torch

    wanted = {OURS: "ours", _VLLM: "vllm"}
    sides = [name for name, flag in wanted.items() if flag in arguments.sides]
    if arguments.gpu_memory_share is None and torch.cuda.is_available():
        arguments.gpu_memory_share = round(0.9 / len(sides), 2)  # they live side by side
    most, cost = max(arguments.streams), picture_bound(arguments.picture)
    capacity = max(most * (arguments.tokens + cost + _ROOM), arguments.context_window)
    engine = engine_settings(arguments, kv_capacity=capacity, max_sequences=most, log=logs / "unused.log")
    made = {
        OURS: lambda: duihua_command(str(path), engine, ("--max-waiting", str(most), *arguments.our_flag)),
        _VLLM: lambda: vllm_command(path, engine, arguments.their_flag),
    }
    return {name: made[name]() for name in sides}


def on_transformers(arguments: argparse.Namespace, path: Path) -> dict[str, Command]:
    """Ours on Transformers, and the server that has a thread for each request."""
    engine = EngineSettings(
        dtype=arguments.transformers_dtype, context_window=arguments.context_window, max_sequences=_AT_ONCE
    )
    threads = ("--threads", str(arguments.threads)) if arguments.threads else ()
    shared = (*threads, "--device", arguments.device)
    theirs = (sys.executable, str(Path(__file__).with_name("threads_server.py")), str(path))
    return {
        OURS: duihua_command(str(path), engine, ("--max-waiting", str(_AT_ONCE), *shared), name="transformers"),
        _THREADS: Command(
            words=(*theirs, "--dtype", arguments.transformers_dtype, *shared), ready="/health", environment={}
        ),
    }


def picture_bound(size: Size) -> int:
    """Tokens that a picture has at most, where its processor does not shrink it."""
    return (size[0] // PATCH_SIDE + 1) * (size[1] // PATCH_SIDE + 1)


def load(arguments: argparse.Namespace, streams: int) -> Load:
    """So many streams of pictures; the label is still to be said."""
    questions = max(arguments.questions, -(-arguments.least_tokens // (streams * arguments.tokens)))
    return Load(label="", streams=streams, questions=questions, tokens=arguments.tokens, picture=arguments.picture)


def tell_cost(servers: Mapping[str, Server], size: Size) -> None:
    """Print how many tokens each server reads for a picture."""
    for name, server in servers.items():
        seen, unseen = (ask_alone(server, question(_TEXT, "cost", shown)) for shown in (size, None))
        cost = seen.prompt_tokens - unseen.prompt_tokens
        print(f"{name}: a picture of {size[0]} x {size[1]} pixels has {cost} prompt tokens, its two marks included")


def compare_on_vllm(arguments: argparse.Namespace, path: Path, logs: Path, generator: Generator) -> Results:
    """Ours and vLLM's own server."""
    with ExitStack() as stack:
        servers = started(on_vllm(arguments, path, logs), logs, arguments.patience, stack)
        check_settings(servers)
        check_idle(servers)
        has_weights = GEOMETRIES[arguments.geometry].has_weights
        check_text(servers, question(_TEXT, _TEXT, arguments.picture), must=has_weights)
        tell_cost(servers, arguments.picture)
        cases = {str(streams): load(arguments, streams) for streams in arguments.streams}
        return compare(servers, generator, cases, arguments.rounds)


def compare_on_transformers(arguments: argparse.Namespace, path: Path, logs: Path, generator: Generator) -> Results:
    """Ours and the server of threads; text may differ where sums are rounded otherwise."""
    with ExitStack() as stack:
        servers = started(on_transformers(arguments, path), logs, arguments.patience, stack)
        threads = f"{arguments.threads} on both sides" if arguments.threads else "what each side takes by itself"
        print(f"Transformers: {arguments.transformers_dtype}; CPU threads: {threads}")
        tell_cost(servers, arguments.picture)
        cases = {str(_AT_ONCE): load(arguments, _AT_ONCE)}
        return compare(servers, generator, cases, arguments.rounds)


def run(arguments: argparse.Namespace, path: Path, logs: Path) -> dict[str, float | None]:
    """Start the servers and compare them; gives the values of the bars."""
    print(f"{arguments.geometry}, random weights; {arguments.tokens} tokens an answer, {arguments.rounds} rounds")
    print(machine())
    values: dict[str, float | None] = dict.fromkeys(name for name in read_bars() if name.startswith("vision."))
    with closing(Generator(arguments.load_processes, arguments.patience)) as generator:
        if {"ours", "vllm"} & set(arguments.sides):
            results = compare_on_vllm(arguments, path, logs, generator)
            show(results)
            for case in results:
                values[f"vision.tokens_vs_vllm_{case}"] = ratio(results, case, _VLLM, lambda m: m.tokens_per_s)
        if "threads" in arguments.sides:
            results = compare_on_transformers(arguments, path, logs, generator)
            show(results)
            values["vision.vs_threads_8"] = ratio(results, str(_AT_ONCE), _THREADS, lambda m: m.tokens_per_s)
    named = read_bars()
    return {name: value for name, value in values.items() if name in named}


def _size(text: str) -> Size:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text!r} is no WIDTHxHEIGHT")
    return int(width), int(height)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Flags for what is asked of whom."""
    parser.add_argument("--sides", nargs="+", choices=("ours", "vllm", "threads"), default=["ours", "vllm", "threads"])
    parser.add_argument("--picture", type=_size, default=(224, 224), metavar="WIDTHxHEIGHT", help="pixels")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32], help="on vLLM")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=64, help="of an answer")
    parser.add_argument("--questions", type=int, default=4, help="of each stream, one after the other, at least")
    parser.add_argument("--least-tokens", type=int, default=2048, help="of each measurement, for which more are asked")
    parser.add_argument("--our-flag", action="append", default=[], metavar="WORD", help="further, for `duihua serve`")
    parser.add_argument("--their-flag", action="append", default=[], metavar="WORD", help="further, for `vllm serve`")
    parser.add_argument("--transformers-dtype", default="float32", help="of both sides on Transformers")
    parser.add_argument("--threads", type=int, default=1, help="of torch, on Transformers; 0: as each side has it")
    parser.add_argument("--device", default="cpu", help="of both sides on Transformers")
    parser.add_argument("--load-processes", type=int, default=1)
    parser.add_argument("--patience", type=float, default=600, help="seconds for a server to start, or to answer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_flags(parser)
    add_model_flags(parser, geometry="glm4.1v-5M", context_window=8192)
    arguments = parser.parse_args()
    geometry = GEOMETRIES[arguments.geometry]
    if geometry.sight is None:
        parser.error(f"a model of the shape {arguments.geometry} sees nothing: say one that begins with glm4.1v")
    if "threads" in arguments.sides and not geometry.has_weights:
        parser.error(f"{arguments.geometry} is written without weights, which threads need: say --sides ours vllm")
    ending_on_sigterm()
    with also_written(arguments.out), tempfile.TemporaryDirectory() as directory:
        path = make_checkpoint(Path(directory) / "model", arguments.geometry)
        logs = arguments.logs or Path(directory)
        logs.mkdir(parents=True, exist_ok=True)
        values = run(arguments, path, logs)
        print()
        report("vision", values)


if __name__ == "__main__":
    main()
