"""Makers of tiny random checkpoints: the real architectures, a tokenizer and a template, in about a second each.

Two layers, width 128, heads of 32: small enough for a laptop, wide enough for every engine's kernels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

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
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

__all__ = ["CHATML", "GLM", "KINDS", "SEEING", "make_adapter", "make_checkpoint", "make_tokenizer"]

GLM = ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
GLM_SEEING = (
    *GLM, "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>", "<|image|>", "<|video|>",
)  # fmt: skip
CHATML_SEEING = (*CHATML, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")

_GLM_TEMPLATE = (
    "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
_CHATML_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_PARTS = (
    "{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}"
    "{% if part.type == 'image' %}PICTURE{% elif part.type == 'text' %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}"
)
_GLM_PARTS = _PARTS.replace("PICTURE", "<|begin_of_image|><|image|><|end_of_image|>")
_CHATML_PARTS = _PARTS.replace("PICTURE", "<|vision_start|><|image_pad|><|vision_end|>")
_TEMPLATES: Mapping[tuple[str, ...], str] = {
    GLM: _GLM_TEMPLATE,
    GLM_SEEING: _GLM_TEMPLATE.replace("{{ m.content }}", _GLM_PARTS),
    CHATML: _CHATML_TEMPLATE,
    CHATML_SEEING: _CHATML_TEMPLATE.replace("{{ m.content }}", _CHATML_PARTS),
}
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


_VISION: Mapping[str, Any] = {
    "hidden_size": 64,
    "depth": 2,
    "num_heads": 2,
    "out_hidden_size": 128,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "initializer_range": 0.15,
}


def _glm4v(base: Mapping[str, Any], token: Callable[[str], int]) -> PreTrainedModel:
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5, "mrope_section": [4, 2, 2]}
    vision = {**_VISION, "image_size": 56, "intermediate_size": 64}
    return Glm4vForConditionalGeneration(
        Glm4vConfig(
            text_config={**base, "rope_parameters": rope, "attention_bias": True},
            vision_config=vision,
            image_token_id=token("<|image|>"),
            video_token_id=token("<|video|>"),
            image_start_token_id=token("<|begin_of_image|>"),
            image_end_token_id=token("<|end_of_image|>"),
            video_start_token_id=token("<|begin_of_video|>"),
            video_end_token_id=token("<|end_of_video|>"),
        )
    )


def _qwen2_5_vl(base: Mapping[str, Any], token: Callable[[str], int]) -> PreTrainedModel:
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [8, 4, 4]}
    vision = {**_VISION, "intermediate_size": 64, "window_size": 56, "fullatt_block_indexes": [1]}
    text = {key: value for key, value in base.items() if key != "head_dim"}  # it is width / heads there
    text["bos_token_id"] = None
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(text_config={**text, "rope_parameters": rope}, vision_config=vision, **_qwen_tokens(token))
    )


def _qwen3_vl(base: Mapping[str, Any], token: Callable[[str], int]) -> PreTrainedModel:
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [8, 4, 4], "mrope_interleaved": True}
    vision = {
        **_VISION,
        "intermediate_size": 64,
        "patch_size": 16,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
    }
    return Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(text_config={**base, "rope_parameters": rope}, vision_config=vision, **_qwen_tokens(token))
    )


def _qwen_tokens(token: Callable[[str], int]) -> dict[str, Any]:
    return {
        "image_token_id": token("<|image_pad|>"),
        "video_token_id": token("<|video_pad|>"),
        "vision_start_token_id": token("<|vision_start|>"),
        "vision_end_token_id": token("<|vision_end|>"),
    }


_Build = Callable[[Mapping[str, Any], Callable[[str], int]], PreTrainedModel]
_MODELS: Mapping[str, tuple[tuple[str, ...], _Build]] = {
    "glm4": (GLM, lambda base, _: Glm4ForCausalLM(Glm4Config(**base))),
    "glm": (GLM, lambda base, _: GlmForCausalLM(GlmConfig(**base))),
    "glm4v": (GLM_SEEING, _glm4v),
    "qwen2": (CHATML, lambda base, _: Qwen2ForCausalLM(Qwen2Config(**base))),
    "qwen3": (CHATML, lambda base, _: Qwen3ForCausalLM(Qwen3Config(**base))),
    "qwen2_5_vl": (CHATML_SEEING, _qwen2_5_vl),
    "qwen3_vl": (CHATML_SEEING, _qwen3_vl),
    "sliding": (CHATML, lambda base, _: MistralForCausalLM(MistralConfig(**base, sliding_window=24))),
}
KINDS = tuple(_MODELS)

# What each published family ships beside its weights, with bounds that make a picture 4 to some 60 tokens.
_PROCESSORS: Mapping[str, Mapping[str, Any]] = {
    "glm4v": {
        "image_processor_type": "Glm4vImageProcessor",
        "processor_class": "Glm4vProcessor",
        "size": {"shortest_edge": 56 * 56 * 2, "longest_edge": 28 * 28 * 2 * 64},
        "patch_size": 14,
    },
    "qwen2_5_vl": {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5_VLProcessor",
        "min_pixels": 56 * 56,
        "max_pixels": 28 * 28 * 64,
        "patch_size": 14,
    },
    "qwen3_vl": {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "processor_class": "Qwen3VLProcessor",
        "size": {"shortest_edge": 64 * 64, "longest_edge": 32 * 32 * 64},
        "patch_size": 16,
    },
}
_VIDEO_PROCESSORS = {
    "glm4v": "Glm4vVideoProcessor",
    "qwen2_5_vl": "Qwen2VLVideoProcessor",
    "qwen3_vl": "Qwen3VLVideoProcessor",
}
SEEING = tuple(_PROCESSORS)


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
    fast.chat_template = _TEMPLATES[special_tokens]
    return fast


def make_checkpoint(
    path: Path,
    kind: str,
    *,
    seed: int = 0,
    max_shard_size: str = "50GB",
    more_tokens: tuple[str, ...] = (),
    template: str | None = None,
    **overrides: Any,
) -> Path:
    """Write a random checkpoint.

    Args:
        path: a directory to make or fill.
        kind: one of `KINDS`.
        seed: of the weights; the global generator is left as it was.
        max_shard_size: of the weight files, as Transformers understands it.
        more_tokens: further special tokens.
        template: a chat template instead of the kind's own.
        **overrides: of the configuration.
    """
    special_tokens, build = _MODELS[kind]
    tokenizer = make_tokenizer(special_tokens)
    tokenizer.add_special_tokens({"additional_special_tokens": list(more_tokens)})
    tokenizer.chat_template = template or tokenizer.chat_template
    stops = [tokenizer.convert_tokens_to_ids(token) for token in _stops(special_tokens)]
    base = _plain(vocab_size=len(tokenizer), eos_token_id=stops, pad_token_id=stops[-1], **overrides)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build(base, lambda literal: cast("int", tokenizer.convert_tokens_to_ids(literal)))
        for name, parameter in model.named_parameters():
            if name.endswith(".bias"):  # they begin as zeros, which an engine may leave out unseen
                torch.nn.init.normal_(parameter, std=0.15)
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
    if kind in SEEING:
        _write_processors(path, kind)
    return path


def _write_processors(path: Path, kind: str) -> None:
    shared = {"temporal_patch_size": 2, "merge_size": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    still = {**_PROCESSORS[kind], **shared}
    moving = {key: value for key, value in still.items() if key != "image_processor_type"}
    moving["video_processor_type"] = _VIDEO_PROCESSORS[kind]
    (path / "preprocessor_config.json").write_text(json.dumps(still), encoding="utf-8")
    (path / "video_preprocessor_config.json").write_text(json.dumps(moving), encoding="utf-8")


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
    if "[gMASK]" in special_tokens:
        return ("<|user|>", "<|observation|>", "<|endoftext|>")
    return ("<|im_end|>", "<|endoftext|>")
