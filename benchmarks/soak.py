"""Minutes of every kind of client on one server: memory, tasks and places must be as before, and no answer wrong.

The memory of all its processes is sampled each second; its growth is judged by the second half.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from bars import report
from gauges import Gauges
from paper import also_written
from servers import Server, duihua_command, ending_on_sigterm
from soak_clients import Clients

from duihua.engine.settings import EngineSettings

_MB: Final = 1e6
_REST_S: Final = 20.0  # for what runs to end
_SHOWN: Final = 20  # surprises
_IDLE: Final = {"running_requests": 0, "waiting_requests": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Soaked:
    """What came of it."""

    samples: tuple[tuple[float, float], ...]  # (seconds from the start, MB)
    surprises: tuple[str, ...]
    more_tasks: int  # than before, at rest
    seconds: float
    done: dict[str, int]


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """MB a minute over the second half: the median of the slopes between all pairs of samples.

    Not a least-squares line: what an allocator takes and gives back in one piece is no growth.
    """
    half = samples[len(samples) // 2 :]
    return statistics.median(
        (mb - before) * 60 / (seconds - start) for (start, before), (seconds, mb) in combinations(half, 2)
    )


async def sample(server: Server, until: float) -> list[tuple[float, float]]:
    """The memory of all its processes, each second."""
    start, samples = time.monotonic(), list[tuple[float, float]]()
    while (now := time.monotonic()) < until:
        samples.append((now - start, await asyncio.to_thread(server.memory) / _MB))
        await asyncio.sleep(max(0.0, now + 1.0 - time.monotonic()))
    return samples


async def soak(server: Server, clients: Clients, gauges: Gauges, arguments: argparse.Namespace) -> Soaked:
    """Let them all in, and look at what is left when they have gone."""
    await warm_up(clients, arguments.clients)
    before = await at_rest(gauges)
    start = time.monotonic()
    until = start + arguments.minutes * 60
    sampling = asyncio.create_task(sample(server, until))
    await asyncio.gather(*(clients.mingle(until) for _ in range(arguments.clients)))
    samples = await sampling
    after = await at_rest(gauges)
    stuck = await not_answered(clients, arguments.clients)
    return Soaked(
        samples=tuple(samples),
        surprises=(*clients.surprises, *stuck),
        more_tasks=after["tasks"] - before["tasks"],
        seconds=time.monotonic() - start,
        done=dict(clients.done),
    )


async def warm_up(clients: Clients, count: int) -> None:
    """Once with everybody, for what is made at first use."""
    await asyncio.gather(*(clients.whole() for _ in range(count)), *(clients.streamed() for _ in range(count)))


async def at_rest(gauges: Gauges) -> dict[str, int]:
    """The gauges when nothing runs.

    Raises:
        SystemExit: something still runs or waits.
    """
    await asyncio.to_thread(gauges.wait_for, _IDLE, _REST_S)
    return gauges.read()


async def not_answered(clients: Clients, count: int) -> list[str]:
    """What is wrong with answers to as many clients at once as there are places, and some more."""
    try:
        async with asyncio.timeout(60):
            await warm_up(clients, count)
    except Exception as error:  # noqa: BLE001  whatever it is, it is told
        return [f"afterwards the server does not answer: {error!r}"]
    return []


def show(soaked: Soaked) -> None:
    """Print what came of it."""
    megabytes = [mb for _, mb in soaked.samples]
    step = max(1, len(megabytes) // 10)
    print(f"memory, MB, every {step} s: {' '.join(f'{mb:.0f}' for mb in megabytes[::step])}")
    print(f"clients in {soaked.seconds:.0f} s: {', '.join(f'{n} {name}' for name, n in sorted(soaked.done.items()))}")
    print(f"tasks at rest, more than before: {soaked.more_tasks}")
    for surprise in soaked.surprises[:_SHOWN]:
        print(f"SURPRISE: {surprise}")


def window_of(server: Server, key: str | None) -> int:
    """Tokens that the model takes, as the server tells it."""
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/v1/models")
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    with urllib.request.urlopen(request, timeout=60) as response:
        cards: dict[str, Any] = json.load(response)
    return cards["data"][0]["max_model_len"]


def run(server: Server, arguments: argparse.Namespace, key: str | None) -> Soaked:
    """Wait for the server and soak it."""
    server.wait(arguments.patience)
    folder: Path | None = arguments.adapter_dir
    adapters = [] if folder is None else sorted(path.parent.name for path in folder.glob("*/adapter_config.json"))
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def whole(gauges: Gauges) -> Soaked:
        clients = Clients(server.port, window=window_of(server, key), adapters=adapters, key=key)
        return await soak(server, clients, gauges, arguments)

    with Gauges(server.port, headers) as gauges:
        return asyncio.run(whole(gauges))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="demo")
    parser.add_argument("--engine", default="transformers", choices=("vllm", "transformers"))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=12, help="at once")
    parser.add_argument("--places", type=int, default=8, help="answers made at once")
    parser.add_argument("--adapter-dir", type=Path, help="adapters that are loaded and unloaded meanwhile")
    parser.add_argument("--our-flag", action="append", default=[], metavar="WORD", help="further, for `duihua serve`")
    parser.add_argument("--patience", type=float, default=600, help="seconds for the server to start")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="keep the server's log there")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there what is printed")
    arguments = parser.parse_args()
    ending_on_sigterm()
    with also_written(arguments.out), tempfile.TemporaryDirectory() as directory:
        logs = arguments.logs or Path(directory)
        logs.mkdir(parents=True, exist_ok=True)
        key: str | None = None
        more = list(arguments.our_flag)
        engine = EngineSettings(max_sequences=arguments.places)
        if arguments.adapter_dir is not None:
            key, file = secrets.token_hex(16), Path(directory) / "keys"
            file.write_text(f"{key}\n", encoding="utf-8")
            file.chmod(0o600)
            more += ["--adapter-dir", str(arguments.adapter_dir), "--admin-key-file", str(file), "--max-adapters", "2"]
        server = Server("duihua", duihua_command(arguments.model, engine, more, name=arguments.engine), logs)
        try:
            soaked = run(server, arguments, key)
        finally:
            server.close()
        show(soaked)
        print()
        wrong = len(soaked.surprises) + max(0, soaked.more_tasks)
        report("soak", {"soak.memory_mb_min": slope(soaked.samples), "soak.wrong": float(wrong)})


if __name__ == "__main__":
    main()
