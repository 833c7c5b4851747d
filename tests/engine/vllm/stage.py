"""The real vLLM, started once for many tests, and its processes as the system sees them."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import psutil
from vllm.platforms import current_platform

from checkpoints import make_adapter
from duihua.api.loop import Loop
from duihua.engine.settings import EngineSettings
from duihua.engine.vllm.engine import VllmEngine
from engine.contract import Scenario, play_alone

__all__ = ["ON_CPU", "SETTINGS", "VllmStage", "family_of"]

ON_CPU = current_platform.is_cpu()
SETTINGS = EngineSettings(
    dtype="float32",
    context_window=512,
    max_sequences=8,
    kv_capacity=8 * 512,
    gpu_memory_share=0.1,  # several engines live side by side
    eager=True,
)
_WITH_ADAPTERS = replace(
    SETTINGS,
    dtype="float32" if ON_CPU else "float16",  # on a GPU vLLM's kernels for adapters take no float32
    max_adapters=2,
    max_adapter_rank=8,
)
_PATIENCE_S = 60


class VllmStage:
    """Plays scenarios on one engine, in one event loop; see `engine.contract.Stage`."""

    slots = 8
    cache_block = 128 if ON_CPU else 16
    adapters_speak = True

    def __init__(self, path: Path, folder: Path, *, with_adapters: bool) -> None:
        self.path = path
        self._settings = _WITH_ADAPTERS if with_adapters else SETTINGS
        self.log = folder / "engine.log"
        self.adapters = {
            name: make_adapter(folder / name, path, seed=seed) for seed, name in enumerate(("first", "second"), 1)
        }
        self.engine = VllmEngine.load(path, self.settings)
        self._loop = Loop()

    @property
    def settings(self) -> EngineSettings:
        return replace(self._settings, log_file=self.log)

    def play(self, scenario: Scenario) -> None:
        async def play() -> None:
            await asyncio.wait_for(scenario(self.engine), _PATIENCE_S)

        self._loop.run(play())

    def play_alone(self, scenario: Scenario) -> None:
        play_alone(lambda: VllmEngine.load(self.path, self.settings), scenario)

    def close(self) -> None:
        self._loop.close(self.engine.aclose)


def family_of(process_ids: list[int]) -> list[psutil.Process]:
    """Living processes of the process groups that these lead: vLLM's own, their workers and watchers."""
    members: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if _group(process.pid) in process_ids and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return members


def _group(process_id: int) -> int:
    return os.getpgid(process_id)
