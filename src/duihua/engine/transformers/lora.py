"""A LoRA adapter's files, and PEFT's layers made of them. PEFT is imported when the first adapter is read."""

from __future__ import annotations

import json
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from duihua.checkpoint.fit import place_of
from duihua.engine.transformers.failures import is_device_lost, is_out_of_memory
from duihua.errors import AdapterRejected

if TYPE_CHECKING:
    from peft import LoraConfig

__all__ = ["Lora", "Place", "inject", "read_lora"]

_PREFIX: Final = "base_model.model."
_PEFT_NAME: Final = "adapter"  # inside PEFT's layers, where each adapter has layers of its own

# Keys of adapter_config.json (PEFT's LoraConfig). What stands in neither list may only be empty.
_HONOURED: Final = (
    "r",
    "target_modules",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "lora_alpha",
    "lora_dropout",
    "lora_bias",
    "use_rslora",
    "use_dora",
    "rank_pattern",
    "alpha_pattern",
    "fan_in_fan_out",
)
_OF_TRAINING: Final = (
    "peft_type",
    "peft_version",
    "task_type",
    "base_model_name_or_path",
    "revision",
    "inference_mode",
    "auto_mapping",
    "init_lora_weights",
    "loftq_config",
    "eva_config",
    "corda_config",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "qalora_group_size",
    "runtime_config",
)
_PLAIN_BEGINNINGS: Final = (None, True, False, "gaussian", "eva", "orthogonal")  # the others change the base's weights


@dataclass(frozen=True, slots=True)
class Lora:
    """An adapter as it is on disk."""

    name: str  # of its directory
    config: LoraConfig
    weights: Mapping[str, torch.Tensor]  # by PEFT's names, on the CPU, as stored

    @property
    def rank(self) -> int:
        """The highest of its layers."""
        return max(self.config.r, *(self.config.rank_pattern or {}).values(), 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer of the model can be put in the place of another."""

    parent: nn.Module
    child: str
    base: nn.Module  # the model's own
    adapted: nn.Module  # PEFT's, around it

    def put(self, layer: nn.Module) -> None:
        """Let this layer be the one that computes."""
        # Not setattr: a batch of each adapter switches at every step, and torch's takes ten times as long.
        vars(self.parent)["_modules"][self.child] = layer


def read_lora(path: Path) -> Lora:
    """Read an adapter in PEFT's format; nothing is fetched, and pickles are not read.

    Raises:
        AdapterRejected: a file is missing or broken, or it is of a kind that is not run.
    """
    config = _read_config(path)
    file = path / "adapter_model.safetensors"
    if not file.is_file():
        raise AdapterRejected(
            f"{path} has no adapter_model.safetensors: save the adapter again with safe_serialization=True "
            "(pickled weights can run code and are not read)"
        )
    try:
        weights = load(file.read_bytes())  # not mapped: the file may be written again while its weights are used
    except (OSError, SafetensorError) as error:
        raise AdapterRejected(f"{file} cannot be read ({error}): save the adapter again") from error
    if whole := [name for name in weights if ".lora_" not in name]:
        raise AdapterRejected(
            f"{path.name} brings whole weights of its own ({_some(whole)}), and only LoRA is run: "
            "train it without modules_to_save and save it with save_embedding_layers=False"
        )
    return Lora(path.name, config, weights)


def inject(model: nn.Module, lora: Lora) -> list[Place]:
    """Make PEFT's layers for a model; afterwards, and also after a failure, the model is as it was.

    Args:
        model: with its own layers in every place.
        lora: its weights are moved to the device and dtype of the layers they change.

    Raises:
        AdapterRejected: PEFT cannot adapt this model so, or memory ran out.
        RuntimeError: the device cannot be used any more.
    """
    try:
        with _its_own_layers(model):
            return _inject(model, lora)
    except AdapterRejected:
        raise
    except Exception as error:
        if is_device_lost(error):
            raise
        if is_out_of_memory(error):
            raise AdapterRejected(f"memory ran out while loading {lora.name}: unload another adapter") from error
        raise AdapterRejected(f"{lora.name} does not fit the model: {_reason(error)}") from error


def _inject(model: nn.Module, lora: Lora) -> list[Place]:
    from peft import inject_adapter_in_model, set_peft_model_state_dict

    # Not PEFT's own low_cpu_mem_usage: that patches torch for every thread of the process.
    with torch.device("meta"):
        inject_adapter_in_model(lora.config, model, _PEFT_NAME)
    weights = dict(_renamed(lora.weights, model))
    outcome = set_peft_model_state_dict(model, weights, _PEFT_NAME, low_cpu_mem_usage=True)
    if outcome.unexpected_keys:
        raise AdapterRejected(
            f"{lora.name} does not fit the model, which has no place for {_some(outcome.unexpected_keys)}"
        )
    places = list(_places(model))
    if lacking := [
        f"{place.child}.{name}"
        for place in places
        for name, parameter in place.adapted.named_parameters()
        if parameter.is_meta
    ]:
        raise AdapterRejected(f"{lora.name} has no weights for {_some(lacking)}: save the adapter again")
    for place in places:
        place.adapted.eval().requires_grad_(requires_grad=False)
    return places


def _renamed(weights: Mapping[str, torch.Tensor], model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """An adapter's tensors by the names that the model's layers have today.

    The towers of vision-language models were given other names (`model.layers` became `model.language_model.layers`),
    and an adapter has those of its time. Layers are found by the part of their names from their block on.
    """
    layers = [name for name, _ in model.named_modules()]
    there = set(layers)
    for name, tensor in weights.items():
        layer, lora, end = name.removeprefix(_PREFIX).partition(".lora_")
        if layer not in there:
            place = "." + place_of(layer)
            named = [other for other in layers if other.endswith(place)]
            layer = named[0] if len(named) == 1 else layer
        yield f"{_PREFIX}{layer}{lora}{end}", tensor


@contextmanager
def _its_own_layers(model: nn.Module) -> Generator[None]:
    """Give the model its own layers back at the end, however that comes."""
    try:
        yield
    finally:
        for place in list(_places(model)):
            place.put(place.base)
        if hasattr(model, "peft_config"):
            del model.peft_config


def _places(model: nn.Module) -> Iterator[Place]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BaseTunerLayer):
                yield Place(parent, name, child.get_base_layer(), child)


def _read_config(path: Path) -> LoraConfig:
    from peft import LoraConfig

    file = path / "adapter_config.json"
    try:
        said: Any = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise AdapterRejected(f"{file} cannot be read ({error}): give the directory of a PEFT adapter") from error
    kind = said.get("peft_type") if isinstance(said, dict) else None
    if kind != "LORA":
        raise AdapterRejected(f"{path} holds an adapter of kind {kind!r}: only LORA is run")
    _refuse_the_unknown(path.name, said)
    try:
        config = LoraConfig(**{key: said[key] for key in _HONOURED if key in said})
    except (TypeError, ValueError) as error:
        raise AdapterRejected(f"{file} says something impossible: {_reason(error)}") from error
    patterns: Any = config.rank_pattern or {}
    ranks = [config.r, *patterns.values()] if isinstance(patterns, Mapping) else [patterns]
    if wrong := [rank for rank in ranks if not isinstance(rank, int) or rank < 1]:
        raise AdapterRejected(f"{file} gives {wrong[0]!r} as a rank: it is a whole number from 1")
    config.inference_mode = True
    config.init_lora_weights = False
    return config


def _refuse_the_unknown(name: str, said: Mapping[str, Any]) -> None:
    beginning = said.get("init_lora_weights")
    if beginning not in _PLAIN_BEGINNINGS:
        raise AdapterRejected(
            f"{name} was trained beside a changed base (init_lora_weights={beginning!r}): save it again with "
            "PEFT's path_initial_model_for_weight_conversion"
        )
    unknown = [key for key in said if key not in _HONOURED and key not in _OF_TRAINING]
    if asked := [f"{key}={said[key]!r}" for key in unknown if said[key] and said[key] != "none"]:
        raise AdapterRejected(f"{name} asks for {_some(asked)}, and only LoRA on whole layers is run: train it without")


def _some(names: Collection[str]) -> str:
    """The first name, and how many more there are."""
    first, more = next(iter(names)), len(names) - 1
    return f"{first} and {more} more" if more else first


def _reason(error: Exception) -> str:
    """What an exception says, in one line: its first, or the one after a headline."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[1] if len(lines) > 1 and lines[0].endswith(":") else lines[0]
