"""Answers held to a JSON schema: against free answers of the same engine, and against vLLM's own server held to it.

The schema asks for more items than an answer has tokens, so that all answers are equally long. Both sides of a bar are
measured in turn, in rounds, after a round that warms up. Of the servers the resolved settings are compared as in
serve.py; they need not give the same text, for vLLM's own lets a model write white space where it likes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bars import report
from geometries import make_checkpoint, make_text
from load import Generator, Load
from model_flags import add_model_flags, engine_settings, model_settings
from paper import also_written, machine
from servers import Server, duihua_command, ending_on_sigterm, vllm_command
from versus import check_settings, measure

from duihua.api.compose import open_chat
from duihua.chat.chat import Chat
from duihua.chat.protocol import TurnOptions
from duihua.engine.settings import EngineSettings
from duihua.events import TurnFinished
from duihua.grammar import Grammar
from duihua.messages import Message
from duihua.sampling import Sampling

_ROOM: Final = 256  # tokens of KV for each stream's prompt and its half-filled blocks
_ITEM: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "colour": {"enum": ["red", "green", "blue"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age", "colour", "tags"],
}


def schema(tokens: int) -> dict[str, Any]:
    """One that no answer of so many tokens satisfies to its end."""
    return {"type": "array", "items": _ITEM, "minItems": tokens}


async def speed(chat: Chat, arguments: argparse.Namespace, label: str, form: Grammar | None) -> float:
    """Tokens/s of all streams together.

    Raises:
        SystemExit: an answer has not as many tokens as asked for.
    """
    sampling = Sampling(temperature=0.0, max_tokens=arguments.tokens, ignore_eos=None if form else True)
    options = TurnOptions(form=form)

    async def stream(number: int) -> int:
        tokens = 0
        for question in range(arguments.questions):
            asked = [Message("user", make_text(f"{label} {number} {question}", 16))]
            async with aclosing(chat.stream(asked, sampling, options)) as events:
                async for event in events:
                    if isinstance(event, TurnFinished):
                        tokens += event.usage.completion_tokens
        return tokens

    started = time.perf_counter()
    counts = await asyncio.gather(*(stream(number) for number in range(arguments.streams)))
    seconds = time.perf_counter() - started
    if set(counts) != {arguments.questions * arguments.tokens}:
        raise SystemExit(f"{label}: an answer has not as many tokens as asked for")
    return sum(counts) / seconds


async def on_and_off(arguments: argparse.Namespace, path: Path, engine: EngineSettings) -> float:
    """What a form costs: tokens/s with one, against without; medians."""
    sides = {"on": Grammar.json_schema(schema(arguments.tokens)), "off": None}
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    chat = await open_chat(model_settings(arguments, path, "vllm"), engine)
    try:
        for round_ in range(arguments.rounds + 1):
            for name in (*sides,) if round_ % 2 else (*sides,)[::-1]:
                found = await speed(chat, arguments, f"{round_} {name}", sides[name])
                print(f"round {round_}, {name}: {found:.0f} tokens/s")
                speeds[name] += [found] if round_ else []
    finally:
        await chat.aclose()
    middle = {name: statistics.median(found) for name, found in speeds.items()}
    for name, found in speeds.items():
        print(f"{name:10} {middle[name]:8.0f} tokens/s ({min(found):.0f}-{max(found):.0f})")
    return middle["on"] / middle["off"]


def against_vllm(arguments: argparse.Namespace, path: Path, engine: EngineSettings, logs: Path) -> float:
    """Ours against vLLM's server, both held to the schema."""
    asked = {"type": "json_schema", "json_schema": {"name": "people", "schema": schema(arguments.tokens)}}
    load = Load(
        label="",
        streams=arguments.streams,
        questions=arguments.questions,
        tokens=arguments.tokens,
        form=f'"response_format":{json.dumps(asked)},',
    )
    waiting = ("--max-waiting", str(arguments.streams))
    commands = {"duihua": duihua_command(str(path), engine, waiting), "vllm": vllm_command(path, engine)}
    speeds: dict[str, list[float]] = {name: [] for name in commands}
    generator, servers = Generator(1, arguments.patience), dict[str, Server]()
    try:
        for name, command in commands.items():
            servers[name] = Server(name, command, logs)
            servers[name].wait(arguments.patience)
        check_settings(servers)
        for round_ in range(arguments.rounds + 1):
            for name in list(servers) if round_ % 2 else list(servers)[::-1]:
                measured = measure(servers[name], replace(load, label=f"{round_}"), generator)
                if any(tokens != load.tokens for _, tokens in measured.sizes):
                    raise SystemExit(f"an answer of {name} has not as many tokens as asked for")
                print(f"round {round_}, {name}: {measured.tokens_per_s:.0f} tokens/s")
                speeds[name] += [measured.tokens_per_s] if round_ else []
    finally:
        generator.close()
        for server in servers.values():
            server.close()
    return statistics.median(speeds["duihua"]) / statistics.median(speeds["vllm"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=64, help="of an answer")
    parser.add_argument("--questions", type=int, default=4, help="of each stream, one after the other")
    parser.add_argument("--no-servers", action="store_true", help="measure on against off only")
    parser.add_argument("--patience", type=float, default=600, help="seconds for a server to start, or to answer")
    add_model_flags(parser, geometry="2.9M", context_window=1024)
    arguments = parser.parse_args()
    ending_on_sigterm()
    with also_written(arguments.out), tempfile.TemporaryDirectory() as directory:
        path = make_checkpoint(Path(directory) / "model", arguments.geometry)
        logs = arguments.logs or Path(directory)
        logs.mkdir(parents=True, exist_ok=True)
        capacity = arguments.streams * (arguments.tokens + _ROOM)
        engine = engine_settings(
            arguments, kv_capacity=capacity, max_sequences=arguments.streams, log=logs / "vllm.log"
        )
        print(f"{arguments.geometry}, random weights; {arguments.tokens} tokens an answer, {arguments.rounds} rounds")
        print(machine())
        values: dict[str, float | None] = {"structured.on_vs_off_32": None, "structured.vs_vllm_32": None}
        values["structured.on_vs_off_32"] = asyncio.run(on_and_off(arguments, path, engine))
        if not arguments.no_servers:
            values["structured.vs_vllm_32"] = against_vllm(arguments, path, engine, logs)
        report("structured", values)


if __name__ == "__main__":
    main()
