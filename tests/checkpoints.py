"""Makers of tiny random checkpoints: the real architectures, a tokenizer and a template, in about a second each.

Two layers, width 128, heads of 32: small enough for a laptop, wide enough for every engine's kernels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Glm4Config,
    Glm4ForCausalLM,
    Glm4vConfig,
    Glm4vForConditionalGeneration,
    GlmConfig,
    GlmForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

__all__ = ["CHATML", "GLM", "KINDS", "make_adapter", "make_checkpoint", "make_tokenizer"]

GLM = ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

_GLM_TEMPLATE = (
    "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
_CHATML_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_TEXT = (
    "The weather is fine today and we walk along the river.",
    "What is your name? My name is Lin, and I like small machines.",
    "今天天气很好，我们去公园散步。你叫什么名字？我叫小林。",
    "One, two, three: 12 + 34 = 46; and 7 x 8 is 56.",
)


def _plain(**extra: Any) -> dict[str, Any]:
    return {
        "hidden_size": 128,
        "intermediate_size": 192,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 512,
        "initializer_range": 0.15,  # wide, so that greedy choices are not near ties
        "tie_word_embeddings": False,
        **extra,
    }


def _glm4v(base: Mapping[str, Any]) -> PreTrainedModel:
    text = {
        **base,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.5,
            "mrope_section": [4, 2, 2],
        },
    }
    vision = {
        "hidden_size": 64,
        "depth": 1,
        "num_heads": 2,
        "intermediate_size": 64,
        "out_hidden_size": 128,
        "image_size": 56,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }
    return Glm4vForConditionalGeneration(Glm4vConfig(text_config=text, vision_config=vision))


_MODELS: Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], PreTrainedModel]]] = {
    "glm4": (GLM, lambda base: Glm4ForCausalLM(Glm4Config(**base))),
    "glm": (GLM, lambda base: GlmForCausalLM(GlmConfig(**base))),
    "glm4v": (GLM, _glm4v),
    "qwen2": (CHATML, lambda base: Qwen2ForCausalLM(Qwen2Config(**base))),
    "qwen3": (CHATML, lambda base: Qwen3ForCausalLM(Qwen3Config(**base))),
    "sliding": (CHATML, lambda base: MistralForCausalLM(MistralConfig(**base, sliding_window=24))),
}
KINDS = tuple(_MODELS)


def make_tokenizer(special_tokens: tuple[str, ...]) -> PreTrainedTokenizerFast:
    """A byte-level BPE of 320 merges and letters, its special tokens after them, and a template of our own."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_TEXT, trainer)
    tokenizer.add_special_tokens(list(special_tokens))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=_stops(special_tokens)[0])
    fast.chat_template = _GLM_TEMPLATE if special_tokens == GLM else _CHATML_TEMPLATE
    return fast


def make_checkpoint(path: Path, kind: str, *, seed: int = 0, max_shard_size: str = "50GB", **overrides: Any) -> Path:
    """Write a random checkpoint.

    Args:
        path: a directory to make or fill.
        kind: one of `KINDS`.
        seed: of the weights; the global generator is left as it was.
        max_shard_size: of the weight files, as Transformers understands it.
        **overrides: of the configuration.
    """
    special_tokens, build = _MODELS[kind]
    tokenizer = make_tokenizer(special_tokens)
    stops = [tokenizer.convert_tokens_to_ids(token) for token in _stops(special_tokens)]
    base = _plain(vocab_size=len(tokenizer), eos_token_id=stops, pad_token_id=stops[-1], **overrides)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build(base)
    model.save_pretrained(path, max_shard_size=max_shard_size)
    tokenizer.save_pretrained(path)
    generation = {
        "eos_token_id": stops,
        "pad_token_id": stops[-1],
        "do_sample": True,
        "temperature": 0.8,
        "top_p": 0.8,
    }
    (path / "generation_config.json").write_text(json.dumps(generation), encoding="utf-8")
    return path


def make_adapter(
    path: Path,
    base: Path,
    *,
    rank: int = 4,
    seed: int = 1,
    targets: Sequence[str] = ("q_proj", "k_proj", "v_proj", "o_proj"),
    scale: float = 0.3,
    **said: Any,
) -> Path:
    """Write a random LoRA adapter as PEFT saves one.

    Args:
        path: a directory to make or fill.
        base: a checkpoint of one file.
        rank: of every layer.
        seed: of the weights.
        targets: last parts of the names of the layers it changes.
        scale: standard deviation of what it adds to a weight; the base's own is 0.15.
        **said: more of adapter_config.json.
    """
    chance = torch.Generator().manual_seed(seed)
    weights: dict[str, torch.Tensor] = {}
    with safe_open(base / "model.safetensors", "pt") as stored:
        for name in stored.keys():  # noqa: SIM118  no mapping
            module = name.removesuffix(".weight")
            if module.rpartition(".")[2] in targets:
                rows, columns = stored.get_slice(name).get_shape()
                lora = f"base_model.model.{module}.lora_"
                weights[f"{lora}A.weight"] = torch.randn(rank, columns, generator=chance)
                weights[f"{lora}B.weight"] = torch.randn(rows, rank, generator=chance) * scale / 2 / rank**0.5
    path.mkdir(parents=True, exist_ok=True)
    save_file(weights, path / "adapter_model.safetensors", {"format": "pt"})
    LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules=list(targets), base_model_name_or_path=str(base), **said
    ).save_pretrained(str(path))
    return path


def _stops(special_tokens: tuple[str, ...]) -> tuple[str, ...]:
    if special_tokens == GLM:
        return ("<|user|>", "<|observation|>", "<|endoftext|>")
    return ("<|im_end|>", "<|endoftext|>")
