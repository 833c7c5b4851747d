"""A maker of small random LoRA adapters in PEFT's format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

__all__ = ["make_adapter"]

_LAYERS = {"model.layers.0.self_attn.q_proj": (32, 16)}


def make_adapter(
    path: Path,
    *,
    base: str = "demo",
    layers: Mapping[str, tuple[int, int]] = _LAYERS,
    rank: int = 4,
    strength: float = 1.0,
) -> Path:
    """Write an adapter's directory.

    Args:
        layers: name in the base -> (outputs, inputs).
        strength: deviation of the random weights; 0 changes nothing.
    """
    path.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    tensors: dict[str, torch.Tensor] = {}
    for layer, (outputs, inputs) in layers.items():
        down = torch.randn(rank, inputs, generator=generator) * strength
        up = torch.randn(outputs, rank, generator=generator) * strength
        tensors[f"base_model.model.{layer}.lora_A.weight"] = down
        tensors[f"base_model.model.{layer}.lora_B.weight"] = up
    save_file(tensors, path / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": rank,
        "target_modules": sorted({layer.rpartition(".")[2] for layer in layers}),
    }
    (path / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return path
