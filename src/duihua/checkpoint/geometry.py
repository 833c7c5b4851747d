"""How large a model is, and what a token of its context costs: from config.json and file sizes, no tensors."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from duihua.checkpoint.files import broken, cannot_be_read, read_json
from duihua.checkpoint.generation import text_config

__all__ = ["KvLayout", "kv_bytes_per_token", "kv_layout", "parameter_count", "weight_bytes"]

_INDEXES: Final = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_SINGLES: Final = ("model.safetensors", "pytorch_model.bin")
_LAYERS: Final = ("num_hidden_layers", "num_layers", "n_layer")
_QUERY_HEADS: Final = ("num_attention_heads", "n_head")
_KV_HEADS: Final = ("num_key_value_heads", "num_kv_heads", "n_head_kv")
_WIDTHS: Final = ("hidden_size", "n_embd")

# Each marks a cache of another shape: recurrent states beside or instead of attention, layers that share keys and
# values, indexes and compressions beside them, heads that differ from layer to layer, an encoder.
# Source: the configuration classes of transformers 5.19.
_OTHER_SHAPES: Final = (
    "attn_layer_period", "block_configs", "block_types", "compress_rates", "compress_ratios",
    "cross_attention_layers", "global_head_dim", "hybrid_override_pattern", "index_head_dim", "index_topk",
    "is_encoder_decoder", "layers_block_type", "mamba_d_ssm", "mamba_d_state", "mamba_num_heads", "multi_query",
    "num_global_key_value_heads", "num_kv_shared_layers", "ssm_cfg", "state_size", "swa_num_key_value_heads",
)  # fmt: skip
_WHOLE: Final = "full_attention"
_SLIDING: Final = ("sliding_attention", "chunked_attention")
_WITHOUT_KV: Final = "linear_attention"  # a state of fixed size instead


@dataclass(frozen=True, slots=True, kw_only=True)
class KvLayout:
    """What a model keeps of each token of its context: keys and values, or one latent for both."""

    whole_layers: int  # layers that keep every token, or may
    sliding_layers: int = 0  # layers that are known to keep the last `sliding_window` tokens only
    sliding_window: int | None = None  # tokens; None where no layer slides
    values_per_layer: int  # numbers that one layer keeps of one token
    heads: int = 1  # of keys and values; GPUs that share a layer part them, a latent (1) they do not

    def bytes_of(self, tokens: int, *, bytes_per_value: int) -> int:
        """Bytes that a context of so many tokens takes."""
        sliding = min(tokens, self.sliding_window or tokens)
        rows = self.whole_layers * tokens + self.sliding_layers * sliding
        return rows * self.values_per_layer * bytes_per_value


def kv_bytes_per_token(config: Mapping[str, Any], *, bytes_per_value: int) -> int | None:
    """Bytes of keys and values that one token of context takes, over all layers; None for an unknown layout.

    Layers with a sliding window count in full, as they do until the window is passed.

    Args:
        config: config.json.
        bytes_per_value: 2 for bfloat16 and float16, 4 for float32, 1 for fp8.
    """
    layout = kv_layout(config)
    return None if layout is None else layout.bytes_of(1, bytes_per_value=bytes_per_value)


def kv_layout(config: Mapping[str, Any]) -> KvLayout | None:
    """What a model keeps of each token; None where config.json does not say it in a way known here.

    Grouped queries: 2 x KV heads x head width for each layer (Ainslie et al. 2023, arXiv:2305.13245). Latent
    attention: kv_lora_rank + qk_rope_head_dim (DeepSeek-V2, arXiv:2405.04434, section 2.1.2, table 1); vLLM and,
    as of 5.19, Transformers cache just that.
    """
    text = text_config(config)
    if any(part.get(key) for key in _OTHER_SHAPES for part in (config, text)):
        return None
    layers, sizes = _layers(text), _values_and_heads(text)
    if layers is None or sizes is None:
        return None
    whole, sliding = layers
    values, heads = sizes
    return KvLayout(
        whole_layers=whole,
        sliding_layers=sliding,
        sliding_window=_sliding_window(text),
        values_per_layer=values,
        heads=heads,
    )


def weight_bytes(path: Path) -> int:
    """Bytes of the files that loading a checkpoint's weights reads.

    Args:
        path: a directory that passed `check_weights`.

    Raises:
        ModelLoadFailed: there are no weights, or one of the files is missing.
    """
    total = 0
    for file in _weight_files(path):
        try:
            total += file.stat().st_size
        except OSError as error:
            raise cannot_be_read(file, error) from error
    return total


def parameter_count(path: Path) -> int | None:
    """Numbers in a checkpoint's safetensors files, by their headers; None where weights are pickled.

    Of quantised weights these are the packed numbers and their scales, not the model's parameters.

    Raises:
        ModelLoadFailed: there are no weights, or a header is broken.
    """
    files = _weight_files(path)
    if any(file.suffix != ".safetensors" for file in files):
        return None
    return sum(math.prod(shape) for file in files for shape in _shapes(file))


def _values_and_heads(text: Mapping[str, Any]) -> tuple[int, int] | None:
    """Numbers that a layer keeps of a token, and the heads they belong to."""
    if text.get("kv_lora_rank"):
        rank, rotary = _number(text, "kv_lora_rank"), _number(text, "qk_rope_head_dim")
        return None if rank is None or rotary is None else (rank + rotary, 1)
    heads, width = _kv_heads(text), _head_width(text)
    if heads is None or width is None or text.get("v_head_dim") not in (None, width):
        return None
    return 2 * heads * width, heads


def _kv_heads(text: Mapping[str, Any]) -> int | None:
    """Heads of keys and values; as many as query heads where the layout is one that has no groups unless it says so."""
    if any(text.get(key) is not None for key in _KV_HEADS):
        return _number(text, *_KV_HEADS)
    if text.get("multi_query_attention"):  # ChatGLM2 and what came after it
        return _number(text, "multi_query_group_num")
    # Null stands for "no groups" in every class of Transformers; kv_channels belongs to ChatGLM and the first Qwen,
    # whose own code has groups only where `multi_query_attention` asks for them.
    says_none = any(key in text for key in _KV_HEADS)
    return _number(text, *_QUERY_HEADS) if says_none or "kv_channels" in text else None


def _head_width(text: Mapping[str, Any]) -> int | None:
    if (stated := _number(text, "head_dim", "kv_channels")) is not None:
        return stated
    width, heads = _number(text, *_WIDTHS), _number(text, *_QUERY_HEADS)
    return None if width is None or heads is None or width % heads else width // heads


def _layers(text: Mapping[str, Any]) -> tuple[int, int] | None:
    """Layers that keep every token, and layers that keep the last ones; without a list of kinds none counts as such."""
    count = _number(text, *_LAYERS)
    if count is None:
        return None
    kinds: object = text.get("layer_types")
    if isinstance(kinds, list):
        return _counted(cast("list[object]", kinds), count)
    if any(key.startswith("linear_") and "head" in key for key in text):  # every n-th layer attends, the last of n
        interval = _number(text, "full_attention_interval")
        return None if interval is None else (count // interval, 0)
    return count, 0


def _sliding_window(text: Mapping[str, Any]) -> int | None:
    """Tokens that sliding layers see; a class that knows `use_sliding_window` slides only if told to."""
    has_switch = "use_sliding_window" in text or "max_window_layers" in text
    if has_switch and not text.get("use_sliding_window"):
        return None
    return _number(text, "sliding_window", "attention_chunk_size")


def _counted(kinds: Sequence[object], count: int) -> tuple[int, int] | None:
    sliding = sum(1 for kind in kinds if kind in _SLIDING)
    whole = sum(1 for kind in kinds if kind == _WHOLE)
    known = whole + sliding + sum(1 for kind in kinds if kind == _WITHOUT_KV)
    return (whole, sliding) if known == len(kinds) == count else None


def _number(text: Mapping[str, Any], *names: str) -> int | None:
    """The first of these values that is set, where it is a whole number above zero."""
    value: object = next((text[name] for name in names if text.get(name) is not None), None)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _weight_files(path: Path) -> list[Path]:
    for index, single in zip(_INDEXES, _SINGLES, strict=True):
        if (path / index).is_file():
            weight_map: object = read_json(path / index).get("weight_map")
            if not isinstance(weight_map, dict):
                raise broken(path / index, "has no weight_map")
            return [path / name for name in sorted(set(cast("dict[str, str]", weight_map).values()))]
        if (path / single).is_file():
            return [path / single]
    if pickles := sorted(path.glob("*.bin")):
        return pickles
    raise broken(path, f"has no weights (looked for {', '.join((*_SINGLES, *_INDEXES))})")


def _shapes(file: Path) -> Iterator[Sequence[int]]:
    """The shape of each tensor in a safetensors file: eight bytes of length, then a header in JSON."""
    try:
        with file.open("rb") as stream:
            header: dict[str, Any] = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        for name, entry in header.items():
            if name != "__metadata__":
                yield [int(size) for size in entry["shape"]]
    except OSError as error:
        raise cannot_be_read(file, error) from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError) as error:
        raise broken(file, f"has a broken header ({error})") from error
