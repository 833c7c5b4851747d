"""Which engine `auto` means on this machine, and why."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["EngineChoice", "Reason", "choose_engine"]

Reason = Literal["vllm_is_fastest", "vllm_is_missing", "no_gpu"]


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """An engine's name, and why it was chosen; no reason where the user named it."""

    name: str
    reason: Reason | None = None


def _has_vllm() -> bool:
    return importlib.util.find_spec("vllm") is not None


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def choose_engine(
    asked: str,
    *,
    device: str = "auto",
    has_vllm: Callable[[], bool] = _has_vllm,
    has_gpu: Callable[[], bool] = _has_gpu,
) -> EngineChoice:
    """The engine to run: the one asked for; for "auto" vLLM where it is installed and there is a GPU for it.

    Args:
        asked: a name of the catalogue, or "auto".
        device: as asked for; a CPU or one GPU by its number is run by Transformers.
        has_vllm, has_gpu: what this machine has; asked only where it matters.
    """
    if asked != "auto":
        return EngineChoice(asked)
    if not has_vllm():
        return EngineChoice("transformers", "vllm_is_missing")
    if device not in ("auto", "cuda") or not has_gpu():
        return EngineChoice("transformers", "no_gpu")
    return EngineChoice("vllm", "vllm_is_fastest")
