"""What reading vLLM's tokens costs a Python front before it does anything with them: no HTTP, no prompts, no text.

Nothing in front of `AsyncLLM` can take less; `serve.front_cpu` is to be read beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from geometries import make_checkpoint
from model_flags import add_model_flags, engine_settings
from paper import also_written, machine

from duihua.engine.settings import EngineSettings
from duihua.engine.vllm.engine import VllmEngine
from duihua.request import GenerationRequest
from duihua.sampling import Decoding

PROMPT = tuple(range(10, 40))


async def read_all(engine: VllmEngine, streams: int, answers: int, tokens: int) -> int:
    """Tokens of so many streams, one answer after the other in each."""

    async def one(stream: int) -> int:
        count = 0
        for number in range(answers):
            decoding = Decoding(max_tokens=tokens, temperature=0.0, stop_token_ids=())
            request = GenerationRequest(request_id=f"{stream}-{number}", token_ids=PROMPT, decoding=decoding)
            async with aclosing(engine.generate(request)) as chunks:
                async for chunk in chunks:
                    count += len(chunk.token_ids)
        return count

    return sum(await asyncio.gather(*(one(stream) for stream in range(streams))))


async def measure(path: Path, settings: EngineSettings, arguments: argparse.Namespace) -> None:
    """Print this process's time for 1,000 tokens, after a round that warms up."""
    engine = await asyncio.to_thread(VllmEngine.load, path, settings)
    taken: list[float] = []
    try:
        for _ in range(arguments.rounds + 1):
            began = time.process_time()
            tokens = await read_all(engine, arguments.streams, arguments.answers, arguments.tokens)
            taken.append((time.process_time() - began) / tokens * 1000)
    finally:
        await engine.aclose()
    figures = ", ".join(f"{seconds:.4f}" for seconds in taken[1:])
    print(f"--gather-ms {settings.gather_ms:.0f}: {statistics.median(taken[1:]):.4f} s per 1,000 tokens ({figures})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--answers", type=int, default=4, help="of each stream")
    parser.add_argument("--tokens", type=int, default=64, help="of an answer")
    parser.add_argument("--rounds", type=int, default=3)
    add_model_flags(parser, geometry="2.9M", context_window=8192)
    arguments = parser.parse_args()
    with also_written(arguments.out), tempfile.TemporaryDirectory() as directory:
        path = make_checkpoint(Path(directory) / "model", arguments.geometry)
        capacity = max(arguments.streams * 512, arguments.context_window)
        settings = engine_settings(
            arguments, kv_capacity=capacity, max_sequences=arguments.streams, log=Path(directory) / "engine.log"
        )
        print(machine())
        for gather_ms in (0.0, settings.gather_ms):
            asyncio.run(measure(path, replace(settings, gather_ms=gather_ms), arguments))


if __name__ == "__main__":
    main()
