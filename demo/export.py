"""Writes the checkpoint directory: what any engine needs to load it, and its card."""

import json
import shutil
from pathlib import Path
from typing import Any, Final, cast

import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig, Glm4ForCausalLM, PreTrainedModel

from demo.tokenizer import END, STOPS, id_of, save_tokenizer

_HERE: Final = Path(__file__).parent


def save_model(model: PreTrainedModel, tokenizer: Tokenizer, folder: Path) -> None:
    """Write weights in bfloat16 and configuration, with the sampling that the demos are judged by."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = cast("Any", model).to("cpu", torch.bfloat16).eval()
    whole.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.6,
        top_p=0.8,
        pad_token_id=id_of(tokenizer, END),
        eos_token_id=[id_of(tokenizer, text) for text in STOPS],
    )
    whole.save_pretrained(folder)


def export(model: Glm4ForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Write weights in bfloat16, configuration, tokenizer and chat template."""
    save_model(model, tokenizer, folder)
    _name_rotary_share(folder / "config.json")
    save_tokenizer(tokenizer, folder)
    shutil.copyfile(_HERE / "chat_template.jinja", folder / "chat_template.jinja")
    make_readable(folder)


def make_readable(folder: Path) -> None:
    """Let everybody read the files: safetensors writes its own for their owner alone."""
    for path in folder.iterdir():
        path.chmod(0o644)


def _name_rotary_share(path: Path) -> None:
    """Say the rotary share at the top too, where engines older than transformers 5 look for it."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["partial_rotary_factor"] = 0.5
    config.setdefault("rope_theta", 10000.0)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
