"""How far a start is, read from vLLM's own log."""

from __future__ import annotations

import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from duihua.engine.settings import OnProgress

__all__ = ["UNKNOWN", "stages_told"]

UNKNOWN: Final = -1.0  # a stage whose length nobody knows
_EVERY_S: Final = 0.5
_SHARDS: Final = re.compile(rb"Loading safetensors checkpoint shards:\s+(\d+)% Completed")
# What vLLM says as it goes (0.26 to 0.33), and the stage that begins there; the last that was said counts.
_SIGNS: Final = (
    (re.compile(rb"(Starting to load model|Loading model from scratch)"), "weights"),
    (re.compile(rb"(Loading weights took|Model loading took)"), "kv"),
    (re.compile(rb"(KV cache size|Capturing CUDA graph|Warming up model)"), "warmup"),
)


@contextmanager
def stages_told(log: Path, on_progress: OnProgress | None) -> Generator[None]:
    """Inside it the log is followed, and each stage told as it is reached, again and again while it lasts."""
    if on_progress is None:
        yield
        return
    start, ended = log.stat().st_size, threading.Event()

    def follow() -> None:
        while not ended.wait(_EVERY_S):
            on_progress(*_stage(_since(log, start)))

    on_progress("process", UNKNOWN)
    thread = threading.Thread(target=follow, name="duihua-startup", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _since(log: Path, start: int) -> bytes:
    try:
        with log.open("rb") as file:
            file.seek(start)
            return file.read()
    except OSError:
        return b""


def _stage(said: bytes) -> tuple[str, float]:
    """The stage that was reached, and the fraction of it that is done."""
    stage = "process"
    for sign, name in _SIGNS:
        if sign.search(said):
            stage = name
    percent = _SHARDS.findall(said)
    return stage, int(percent[-1]) / 100 if stage == "weights" and percent else UNKNOWN
