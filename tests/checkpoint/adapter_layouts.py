"""LoRA adapters with the file layout that PEFT writes, zeros for weights; and one that changes the bundled demo."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duihua
from checkpoint.layouts import write_json
from checkpoints import make_adapter

__all__ = ["DEMO", "LAYER", "PAIR", "PREFIX", "WEIGHTS", "make_pirate", "write_adapter", "write_tensors"]

DEMO = Path(duihua.__file__).parent / "checkpoint" / "bundled" / "demo"

PREFIX = "base_model.model."
WEIGHTS = "adapter_model.safetensors"
LAYER = "model.layers.0.self_attn.q_proj"
PAIR: Mapping[str, tuple[int, ...]] = {
    f"{PREFIX}{LAYER}.lora_A.weight": (4, 8),
    f"{PREFIX}{LAYER}.lora_B.weight": (6, 4),
}


def write_tensors(path: Path, shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None) -> Path:
    """A safetensors file of float32 zeros."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt", **(metadata or {})}}
    end = 0
    for name, shape in shapes.items():
        size = 4
        for number in shape:
            size *= number
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(end))
    return path


def write_adapter(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]] = PAIR,
    *,
    metadata: Mapping[str, str] | None = None,
    **said: Any,
) -> Path:
    """An adapter of rank 4 on the first layer's q_proj (6 outputs, 8 inputs); `said` goes into its configuration."""
    path.mkdir(parents=True, exist_ok=True)
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": "org/base",
        "bias": "none",
        "init_lora_weights": True,
        "lora_alpha": 8,
        "r": 4,
        "target_modules": ["q_proj"],
    }
    write_json(path / "adapter_config.json", config | said)
    write_tensors(path / WEIGHTS, shapes, metadata)
    return path


def make_pirate(path: Path) -> Path:
    """A random adapter on the bundled demo, which it names, strong enough to change what that says."""
    make_adapter(path, DEMO, scale=0.1)
    config = json.loads((path / "adapter_config.json").read_text("utf-8"))
    write_json(path / "adapter_config.json", config | {"base_model_name_or_path": "demo"})
    return path
