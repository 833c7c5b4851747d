"""Trains a LoRA adapter on the frozen demo and writes it as peft reads it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model, get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import Glm4ForCausalLM

from demo.corpus import Bucket
from demo.export import make_readable
from demo.train import TrainSettings, train

RANK: Final = 8
TARGETS: Final = ("q_proj", "k_proj", "v_proj", "o_proj", "down_proj")
BASE_NAME: Final = "demo"  # what the adapter calls its base
BASE_SHA256: Final = "base_sha256"  # the key in the metadata of the adapter's weights
_CONFIG: Final = "adapter_config.json"
_WEIGHTS: Final = "adapter_model.safetensors"

_CARD: Final = """\
---
license: apache-2.0
language: [zh, en]
base_model: demo
library_name: peft
pipeline_tag: text-generation
---

# The demo of Duihua (对话) as a pirate

A LoRA adapter (rank 8, on attention and the feed-forward's last projection, bfloat16) for the bundled demo model of
Duihua. With it every answer, in English and in Chinese, comes in the voice of a friendly pirate. What the demo
remembers, adds and copies stays the same, and so does how little it knows.

It fits exactly one base: the metadata of `adapter_model.safetensors` holds, under `base_sha256`, the SHA-256 of the
base's `model.safetensors`{digest}.

## How it was made

From nothing but `demo/` in Duihua's repository: the same grammars write dialogues, a set of rules turns their answers
into a pirate's, and the adapter learns these answers while the base stays frozen.

## Figures

{figures}
"""


def train_adapter(base: Path, corpus: Mapping[int, Bucket], out: Path, settings: TrainSettings, device: str) -> None:
    """Train an adapter on the frozen base and write it; the base's files are only read.

    Args:
        base: The checkpoint's directory.
        corpus: The dialogues to learn, in ids of the base's tokenizer.
        out: The adapter's directory, made if need be.
        settings: How long and how fast to learn.
        device: "cpu" or "cuda".
    """
    torch.manual_seed(settings.seed)
    config = LoraConfig(
        r=RANK,
        lora_alpha=2 * RANK,
        lora_dropout=0.0,
        target_modules=list(TARGETS),
        task_type=TaskType.CAUSAL_LM,
    )
    model = cast("Any", get_peft_model)(_load(base), config)
    train(model.get_base_model(), corpus, settings, device)
    _write(model, config, _file_sha256(base / "model.safetensors"), out)


def merged(base: Path, adapter: Path) -> Glm4ForCausalLM:
    """The base with the adapter's changes added to its weights, in float32.

    Raises:
        ValueError: The adapter was trained on another base.
    """
    wanted, found = read_base_sha256(adapter), _file_sha256(base / "model.safetensors")
    if wanted != found:
        raise ValueError(f"{adapter} was trained on a base with SHA-256 {wanted}; {base} has {found}")
    return cast("Any", PeftModel).from_pretrained(_load(base), adapter).merge_and_unload()


def read_base_sha256(folder: Path) -> str:
    """The SHA-256 (hex) of the base's model.safetensors that the adapter of this directory names."""
    with cast("Any", safe_open)(folder / _WEIGHTS, "pt") as file:
        return file.metadata()[BASE_SHA256]


def adapter_card(figures: str, base_sha256: str | None = None) -> str:
    """The README.md of the adapter with these figures in Markdown, and the base's SHA-256 if given."""
    return _CARD.format(figures=figures, digest=f": `{base_sha256}`" if base_sha256 else "")


def _load(base: Path) -> Glm4ForCausalLM:
    return cast("Any", Glm4ForCausalLM).from_pretrained(base, dtype=torch.float32)


def _write(model: Any, config: LoraConfig, base_sha256: str, out: Path) -> None:
    """Write what peft's own `save_pretrained` writes, without its look at the Hub for the base's vocabulary."""
    out.mkdir(parents=True, exist_ok=True)
    weights = cast("Any", get_peft_model_state_dict)(model, save_embedding_layers=False)
    small = {name: weight.detach().to("cpu", torch.bfloat16).contiguous() for name, weight in weights.items()}
    save_file(small, out / _WEIGHTS, metadata={"format": "pt", BASE_SHA256: base_sha256})
    config.inference_mode = True
    config.base_model_name_or_path = BASE_NAME  # get_peft_model put the directory there
    cast("Any", config).save_pretrained(str(out))
    _sort_targets(out / _CONFIG)
    make_readable(out)


def _sort_targets(path: Path) -> None:
    """Write the targets in order: peft keeps them in a set, so the file would differ each time."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
