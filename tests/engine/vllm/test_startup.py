from __future__ import annotations

import threading
from pathlib import Path

import pytest

from duihua.engine.vllm.startup import UNKNOWN, stages_told


def test_each_stage_is_told_as_the_log_reaches_it(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_bytes(b"INFO an older start: Loading weights took 3 s\n")
    told: list[tuple[str, float]] = []
    heard = threading.Condition()

    def on_progress(stage: str, fraction: float) -> None:
        with heard:
            told.append((stage, fraction))
            heard.notify_all()

    def wait_for(expected: tuple[str, float]) -> None:
        with heard:
            assert heard.wait_for(lambda: expected in told, 10), told

    with stages_told(log, on_progress), log.open("ab", buffering=0) as file:
        wait_for(("process", UNKNOWN))
        file.write(b"INFO Starting to load model demo...\n")
        wait_for(("weights", UNKNOWN))
        file.write(b"Loading safetensors checkpoint shards:  50% Completed | 1/2\r")
        wait_for(("weights", 0.5))
        file.write(b"INFO Loading weights took 0.2 seconds\n")
        wait_for(("kv", UNKNOWN))
        file.write(b"INFO GPU KV cache size: 43,648 tokens\n")
        wait_for(("warmup", UNKNOWN))


def test_nobody_who_listens_costs_nothing(tmp_path: Path) -> None:
    before = threading.active_count()
    with stages_told(tmp_path / "no.log", None):
        assert threading.active_count() == before


def test_an_error_inside_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.touch()
    with pytest.raises(KeyError), stages_told(log, lambda *_: None):
        raise KeyError
