"""The tensors of a LoRA adapter as PEFT names them: paired, measured, and told from what is none."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from duihua.errors import AdapterRejected

__all__ = ["LoraTensors", "pair_tensors", "written"]

Shape = tuple[int, ...]

_PREFIX: Final = "base_model.model."
_DOWN: Final = ("lora_A.weight", "lora_embedding_A")  # rank x inputs
_UP: Final = ("lora_B.weight", "lora_embedding_B")  # outputs x rank
_VECTORS: Final = {
    "lora_magnitude_vector.weight": "use_dora",
    "lora_magnitude_vector": "use_dora",
    "lora_B.bias": "lora_bias",
}
_SAVE_AGAIN: Final = "save it again with PEFT's save_pretrained"


@dataclass(frozen=True, slots=True)
class LoraTensors:
    """What an adapter changes in its base."""

    layers: Mapping[str, Shape]  # layers with a LoRA pair, by their names in the base: the shape of the base's weight
    whole: Mapping[str, Shape]  # layers whose weight stands in for the base's
    ranks: frozenset[int]
    targets: tuple[str, ...]  # last parts of the layers' names


@dataclass(slots=True)
class _Found:
    """Tensors by the layer they belong to, each under the end of its name."""

    halves: dict[str, dict[str, Shape]] = field(default_factory=dict[str, dict[str, Shape]])
    vectors: dict[str, dict[str, Shape]] = field(default_factory=dict[str, dict[str, Shape]])
    whole: dict[str, Shape] = field(default_factory=dict[str, Shape])


def pair_tensors(shapes: Mapping[str, Shape], config: Mapping[str, Any], file: Path) -> LoraTensors:
    """The layers of an adapter.

    Args:
        shapes: of the tensors in its weight file.
        config: its adapter_config.json.
        file: the weight file, for messages.

    Raises:
        AdapterRejected: a tensor that is unpaired, misshapen or foreign; names it.
    """
    found = _sorted(shapes, file)
    if not found.halves:
        raise AdapterRejected(f"{file} holds no LoRA layer: {_SAVE_AGAIN}")
    loose = _parents(config)
    ranks = {_rank(layer, halves, file) for layer, halves in found.halves.items() if layer not in loose}
    _check_vectors(found, config, file)
    _check_whole(found, config, file)
    is_turned = bool(config.get("fan_in_fan_out"))
    layers = {
        layer: _base_shape(halves, is_turned=is_turned) for layer, halves in found.halves.items() if layer not in loose
    }
    weights = {name.removesuffix(".weight"): shape for name, shape in found.whole.items() if name.endswith(".weight")}
    whole = {layer.removesuffix(".base_layer"): shape for layer, shape in weights.items()}
    targets = sorted({layer.removesuffix(".base_layer").rpartition(".")[2] for layer in found.halves})
    return LoraTensors(layers, whole, frozenset(ranks), tuple(targets))


def written(shape: Sequence[int]) -> str:
    """A shape for people: "128 x 64"."""
    return " x ".join(map(str, shape)) or "a number"


def _sorted(shapes: Mapping[str, Shape], file: Path) -> _Found:
    found = _Found()
    for name, shape in shapes.items():
        if not name.startswith(_PREFIX):
            raise AdapterRejected(
                f"{file} has a tensor {name}, and in PEFT's format each name begins with {_PREFIX!r}: {_SAVE_AGAIN}"
            )
        plain = name.removeprefix(_PREFIX)
        end = next((end for end in (*_DOWN, *_UP, *_VECTORS) if plain.endswith(f".{end}")), None)
        if end is None:
            found.whole[plain] = shape
        else:
            group = found.vectors if end in _VECTORS else found.halves
            group.setdefault(plain.removesuffix(f".{end}"), {})[end] = shape
    return found


def _rank(layer: str, halves: Mapping[str, Shape], file: Path) -> int:
    """A layer's rank, its two tensors having been compared."""
    down, up = (next((halves[end] for end in ends if end in halves), None) for ends in (_DOWN, _UP))
    if down is None or up is None:
        there = next(iter(halves))
        other = there.replace("_A", "_?").replace("_B", "_A").replace("_?", "_B")
        raise AdapterRejected(f"{file} has {layer}.{there} without its {other}: {_SAVE_AGAIN}")
    if len(down) < 2 or len(down) != len(up) or down[0] != up[1] or not min(*down, *up):
        raise AdapterRejected(
            f"{file} has tensors of {layer} that make no pair ({written(down)} and {written(up)}): {_SAVE_AGAIN}"
        )
    return down[0]


def _base_shape(halves: Mapping[str, Shape], *, is_turned: bool) -> Shape:
    """The shape that the base's weight has, as far as the pair tells: (outputs, inputs)."""
    down, up = (next(halves[end] for end in ends if end in halves) for ends in (_DOWN, _UP))
    is_embedding = "lora_embedding_A" in halves
    return (down[1], up[0]) if is_embedding or is_turned else (up[0], down[1])


def _check_vectors(found: _Found, config: Mapping[str, Any], file: Path) -> None:
    """Refuse vectors that PEFT would not read, and the lack of those that it would make up."""
    for key in dict.fromkeys(_VECTORS.values()):
        there = {layer for layer, vectors in found.vectors.items() if any(_VECTORS[end] == key for end in vectors)}
        wanted: set[str] = set(found.halves) if config.get(key) else set()
        for layer in sorted(there ^ wanted):
            how = "has none" if layer in wanted else "has one"
            raise AdapterRejected(
                f"adapter_config.json says {key}={bool(config.get(key))}, but in {file} "
                f"{layer} {how} of the tensors that go with it: {_SAVE_AGAIN}"
            )
    for layer, vectors in found.vectors.items():
        halves = found.halves[layer]
        outputs = next(halves[end] for end in _UP if end in halves)[0]
        for end, shape in vectors.items():
            if math.prod(shape) != outputs:
                raise AdapterRejected(
                    f"{file} has {layer}.{end} of shape {written(shape)}, and the layer has {outputs} outputs: "
                    f"{_SAVE_AGAIN}"
                )


def _check_whole(found: _Found, config: Mapping[str, Any], file: Path) -> None:
    """Refuse tensors that are no part of a pair and that nothing in the configuration accounts for."""
    saved = _texts(config.get("modules_to_save"))
    for name in found.whole:
        is_saved = any(f".{module}." in f".{name}" for module in saved)
        is_token = ".token_adapter." in name and bool(config.get("trainable_token_indices"))
        is_frozen = name.endswith(".base_layer.weight") and name.removesuffix(".base_layer.weight") in found.halves
        if not (is_saved or is_token or is_frozen):
            raise AdapterRejected(
                f"{file} has a tensor {name} that is no part of a LoRA layer and is not in modules_to_save: "
                f"{_SAVE_AGAIN}(save_embedding_layers=False)"
            )


def _parents(config: Mapping[str, Any]) -> _Endings:
    """The modules whose parameters are adapted directly (fused experts), with pairs of shapes of their own."""
    return _Endings(tuple(name.rpartition(".")[0] for name in _texts(config.get("target_parameters"))))


@dataclass(frozen=True, slots=True)
class _Endings:
    """The names that end with one of these."""

    ends: tuple[str, ...]

    def __contains__(self, name: str) -> bool:
        bare = f".{name.replace('.base_layer', '')}"
        return any(bare.endswith(f".{end}") for end in self.ends)


def _texts(value: object) -> Collection[str]:
    """The texts in a list of a configuration, none where it is no list."""
    return tuple(_strings(cast("list[object]", value))) if isinstance(value, list) else ()


def _strings(values: Sequence[object]) -> Iterator[str]:
    return (value for value in values if isinstance(value, str))
