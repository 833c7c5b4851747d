"""Checkpoints of random weights, made on the spot: real architectures, a real byte-level BPE and a chat template.

Speed depends on a model's shape, not on what it learnt. The large shapes are written without weights, for engines
that can make some up (vLLM's `load_format="dummy"`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, product
from pathlib import Path
from string import ascii_lowercase
from typing import Any, Final

from seeing import MARKS, PARTS, Sight, write_processors

__all__ = ["GEOMETRIES", "Geometry", "make_checkpoint", "make_text"]

_CHATML: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_GLM: Final = ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
_CHATML_TEMPLATE: Final = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_GLM_TEMPLATE: Final = (
    "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
_SPACE: Final = "Ġ"  # how a byte-level tokenizer writes a blank


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """The shape of a model."""

    architecture: str  # "Qwen3", "Glm4" or "Glm4v": of the classes of transformers
    vocabulary: int  # ids, special tokens included
    positions: int
    shape: dict[str, Any]
    has_weights: bool = True  # False: too large to write out; the engine makes them up
    sight: Sight | None = None  # None: text only

    @property
    def model(self) -> str:
        """The name of its class in transformers."""
        return f"{self.architecture}For{'ConditionalGeneration' if self.sight else 'CausalLM'}"


def _qwen3(hidden: int, layers: int, inner: int, heads: int) -> Geometry:
    shape = {"hidden_size": hidden, "num_hidden_layers": layers, "intermediate_size": inner}
    shape |= {"num_attention_heads": heads, "num_key_value_heads": heads // 2, "head_dim": 64}
    return Geometry(architecture="Qwen3", vocabulary=2048, positions=32_768, shape=shape)


def _glm4(hidden: int, layers: int, inner: int, heads: int, **more: int) -> Geometry:
    shape = {"hidden_size": hidden, "num_hidden_layers": layers, "intermediate_size": inner}
    shape |= {"num_attention_heads": heads, "num_key_value_heads": 2, "attention_bias": False}
    shape |= {"head_dim": more.get("head", 128)}
    size = more.get("vocabulary", 151_552)
    return Geometry(architecture="Glm4", vocabulary=size, positions=32_768, shape=shape, has_weights=False)


_TINY_GLM4V: Final = Geometry(
    architecture="Glm4v",
    vocabulary=2048,
    positions=32_768,
    shape=dict(_glm4(256, 4, 512, 8, head=32).shape),
    sight=Sight(
        shape={"hidden_size": 192, "depth": 4, "num_heads": 6, "intermediate_size": 256, "image_size": 112},
        rotary=(2, 3, 3),
        least_tokens=9,
        most_tokens=256,
    ),
)
# The shape of https://huggingface.co/zai-org/GLM-4.1V-9B-Thinking: config.json, preprocessor_config.json.
_GLM4V_9B: Final = Geometry(
    architecture="Glm4v",
    vocabulary=151_552,
    positions=65_536,
    shape=dict(_glm4(4096, 40, 13_696, 32).shape) | {"attention_bias": True},
    has_weights=False,
    sight=Sight(
        shape={"hidden_size": 1536, "depth": 24, "num_heads": 12, "intermediate_size": 13_696, "image_size": 336},
        rotary=(8, 12, 12),
        least_tokens=8,
        most_tokens=6144,
    ),
)
GEOMETRIES: Final = {
    "2.9M": _qwen3(256, 4, 512, 4),
    "27M": _qwen3(512, 8, 1536, 8),
    "glm4-5M": _glm4(256, 6, 768, 8, head=32, vocabulary=2048),
    "glm4-0.5B": _glm4(1024, 12, 3584, 16, head=64),
    # The shape of https://huggingface.co/zai-org/GLM-4-9B-0414: config.json.
    "glm4-9b": _glm4(4096, 40, 13_696, 32),
    "glm4.1v-5M": _TINY_GLM4V,
    "glm4.1v-9B": _GLM4V_9B,
}


def make_checkpoint(path: Path, name: str, *, seed: int = 0) -> Path:
    """Write a checkpoint of one of `GEOMETRIES` into a directory, with weights where that says so."""
    geometry = GEOMETRIES[name]
    is_glm = geometry.architecture.startswith("Glm4")
    specials, stop = (_GLM, "<|user|>") if is_glm else (_CHATML, "<|im_end|>")
    template = _GLM_TEMPLATE if is_glm else _CHATML_TEMPLATE
    if geometry.sight is not None:
        specials, template = (*specials, *MARKS), template.replace("{{ m.content }}", PARTS)
    tokenizer = _make_tokenizer(geometry.vocabulary, specials, stop)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(path)
    stops = [tokenizer.convert_tokens_to_ids(token) for token in (stop, "<|endoftext|>")]
    (path / "generation_config.json").write_text(json.dumps({"eos_token_id": stops}), encoding="utf-8")
    config = _config(geometry, stops, tokenizer)
    if geometry.sight is not None:
        write_processors(path, geometry.sight)
    if geometry.has_weights:
        _save_weights(path, config, geometry.model, tokenizer, seed)
    else:
        config.save_pretrained(path)
        _save_no_weights(path / "model.safetensors")
    return path


def make_text(seed: str, words: int) -> str:
    """Made-up words of two to eight letters; the same ones for the same seed."""
    source = random.Random(seed)
    return " ".join("".join(source.choices(ascii_lowercase, k=source.randint(2, 8))) for _ in range(words))


def _make_tokenizer(size: int, specials: tuple[str, ...], stop: str) -> Any:
    """A byte-level BPE whose merges are listed rather than learnt: a vocabulary of any size at once."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = list(islice(_merges(), size - len(alphabet) - len(specials)))
    entries = chain(alphabet, (left + right for left, right in merges))
    tokenizer = Tokenizer(models.BPE(vocab={entry: i for i, entry in enumerate(entries)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(specials))
    assert tokenizer.get_vocab_size() == size
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=stop)


def _merges() -> Iterator[tuple[str, str]]:
    """Pairs of letters, a blank before some, then three and four letters."""
    pairs = ["".join(pair) for pair in product(ascii_lowercase, repeat=2)]
    yield from product(ascii_lowercase, ascii_lowercase)
    yield from product((_SPACE,), pairs)
    yield from product(pairs, ascii_lowercase)
    yield from product(pairs, pairs)


def _config(geometry: Geometry, stops: list[int], tokenizer: Any) -> Any:
    import transformers

    settings: dict[str, Any] = {
        **geometry.shape,
        "vocab_size": geometry.vocabulary,
        "max_position_embeddings": geometry.positions,
        "tie_word_embeddings": geometry.has_weights,
        "eos_token_id": stops,
        "pad_token_id": stops[-1],
    }
    if geometry.sight is not None:
        settings = geometry.sight.settings(settings, tokenizer.convert_tokens_to_ids)
        settings["tie_word_embeddings"] = geometry.has_weights
    config = getattr(transformers, f"{geometry.architecture}Config")(**settings, dtype="bfloat16")
    config.architectures = [geometry.model]
    return config


def _save_weights(path: Path, config: Any, model_class: str, tokenizer: Any, seed: int) -> None:
    import torch
    import transformers

    torch.manual_seed(seed)
    model = getattr(transformers, model_class)(config)
    # No answer holds half a character or a control token: a decoder could stumble over what no real model says.
    silent = [i for token, i in tokenizer.get_vocab().items() if not (token.isascii() or token.startswith(_SPACE))]
    with torch.no_grad():
        model.get_input_embeddings().weight[sorted({*silent, *tokenizer.added_tokens_decoder})] = 0
    model.to(torch.bfloat16).save_pretrained(path)


def _save_no_weights(file: Path) -> None:
    """A file of the right format with no tensor in it, so that the directory reads as a whole checkpoint."""
    header = b"{}"
    file.write_bytes(len(header).to_bytes(8, "little") + header)
