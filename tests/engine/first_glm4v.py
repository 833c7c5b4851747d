"""A tiny checkpoint with the layout of GLM-4V-9B (zai-org/glm-4v-9b): random weights, no remote code, a fast tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from checkpoints import GLM_SEEING, make_tokenizer

__all__ = ["TOKENS", "make_first_glm4v"]

TOKENS = 6  # of every picture: 56 / 14 / 2 = 2 each way, and a begin and an end
_WIDTH, _INNER, _HEAD, _SEEN = 128, 192, 32, 64


def make_first_glm4v(path: Path) -> tuple[int, int, int]:
    """Write it; gives the three ids that stand for a picture."""
    path.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(GLM_SEEING)
    tokenizer.save_pretrained(path)
    begin, pad, end, user = (
        int(str(tokenizer.convert_tokens_to_ids(token)))
        for token in ("<|begin_of_image|>", "<|endoftext|>", "<|end_of_image|>", "<|user|>")
    )
    vision = {"dropout_prob": 0.0, "hidden_act": "gelu", "hidden_size": _SEEN, "image_size": 56, "in_channels": 3}
    vision |= {"intermediate_size": 96, "layer_norm_eps": 1e-6, "num_heads": 2, "num_hidden_layers": 2}
    vision |= {"num_positions": 17, "patch_size": 14, "scaling_factor": 1}
    config = {"model_type": "chatglm", "architectures": ["GLM4VForCausalLM"], "num_layers": 2, "seq_length": 512}
    config |= {"padded_vocab_size": len(tokenizer), "hidden_size": _WIDTH, "ffn_hidden_size": _INNER}
    config |= {
        "kv_channels": _HEAD,
        "num_attention_heads": 4,
        "multi_query_attention": True,
        "multi_query_group_num": 2,
    }
    config |= {
        "add_qkv_bias": True,
        "original_rope": True,
        "rope_ratio": 1,
        "eos_token_id": [user],
        "tie_word_embeddings": False,
    }
    config |= {"boi_token_id": begin, "pad_token_id": pad, "eoi_token_id": end, "vision_config": vision}
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(_weights(len(tokenizer)), path / "model.safetensors", {"format": "pt"})
    return begin, pad, end


def _weights(vocabulary: int) -> dict[str, torch.Tensor]:
    """Random matrices, norms of one, biases of zero."""
    chance = torch.Generator().manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {
        "embedding.word_embeddings.weight": (vocabulary, _WIDTH),
        "encoder.final_layernorm.weight": (_WIDTH,),
        "output_layer.weight": (vocabulary, _WIDTH),
        "vision.patch_embedding.cls_embedding": (1, _SEEN),
        "vision.patch_embedding.position_embedding.weight": (17, _SEEN),
        "vision.patch_embedding.proj.weight": (_SEEN, 3, 14, 14),
        "vision.patch_embedding.proj.bias": (_SEEN,),
        "vision.conv.weight": (_WIDTH, _SEEN, 2, 2),
        "vision.conv.bias": (_WIDTH,),
        "vision.boi": (1, 1, _WIDTH),
        "vision.eoi": (1, 1, _WIDTH),
        "vision.linear_proj.linear_proj.weight": (_WIDTH, _WIDTH),
        "vision.linear_proj.norm1.weight": (_WIDTH,),
        "vision.linear_proj.norm1.bias": (_WIDTH,),
        "vision.linear_proj.dense_h_to_4h.weight": (_INNER, _WIDTH),
        "vision.linear_proj.gate_proj.weight": (_INNER, _WIDTH),
        "vision.linear_proj.dense_4h_to_h.weight": (_WIDTH, _INNER),
    }
    for layer in range(2):
        shapes |= {f"encoder.layers.{layer}.{name}": shape for name, shape in _SPEAKING.items()}
        shapes |= {f"vision.transformer.layers.{layer}.{name}": shape for name, shape in _SEEING.items()}
    return {
        f"transformer.{name}": torch.ones(shape)
        if "norm" in name and name.endswith("weight")
        else torch.randn(shape, generator=chance) * 0.15 * (len(shape) > 1)
        for name, shape in shapes.items()
    }


_SPEAKING: dict[str, tuple[int, ...]] = {
    "input_layernorm.weight": (_WIDTH,),
    "post_attention_layernorm.weight": (_WIDTH,),
    "self_attention.query_key_value.weight": (8 * _HEAD, _WIDTH),
    "self_attention.query_key_value.bias": (8 * _HEAD,),
    "self_attention.dense.weight": (_WIDTH, 4 * _HEAD),
    "mlp.dense_h_to_4h.weight": (2 * _INNER, _WIDTH),
    "mlp.dense_4h_to_h.weight": (_WIDTH, _INNER),
}
_SEEING: dict[str, tuple[int, ...]] = {
    **{
        f"{norm}.{end}": (_SEEN,)
        for norm in ("input_layernorm", "post_attention_layernorm")
        for end in ("weight", "bias")
    },
    "attention.query_key_value.weight": (3 * _SEEN, _SEEN),
    "attention.query_key_value.bias": (3 * _SEEN,),
    "attention.dense.weight": (_SEEN, _SEEN),
    "attention.dense.bias": (_SEEN,),
    "mlp.fc1.weight": (96, _SEEN),
    "mlp.fc1.bias": (96,),
    "mlp.fc2.weight": (_SEEN, 96),
    "mlp.fc2.bias": (_SEEN,),
}
