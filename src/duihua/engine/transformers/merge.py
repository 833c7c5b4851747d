"""A base checkpoint and a LoRA adapter become one checkpoint, shard by shard: no whole model is ever in memory."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from duihua.engine.settings import OnProgress
from duihua.engine.transformers.formats import find_weights, read_config
from duihua.engine.transformers.lora import Lora, inject, read_lora
from duihua.errors import AdapterRejected, ConfigError, ModelLoadFailed, UnsupportedModel

__all__ = ["merge"]

# Weights of the base in any format, and what belongs to an adapter: not copied.
_LEFT_OUT: Final = (
    ".*",
    "*.safetensors",
    "*.gguf",
    "pytorch_model*",
    "consolidated*",
    "tf_model*",
    "flax_model*",
    "adapter_config.json",
    "adapter_model.*",
)
_INDEX: Final = "model.safetensors.index.json"
_WHOLE: Final[Mapping[str, Any]] = {"exclude_modules": None, "layers_to_transform": None, "layers_pattern": None}


@dataclass(frozen=True, slots=True)
class _Change:
    """One weight of the base that the adapter changes."""

    module: str  # as the adapter names it
    tensor: str  # as the base's file names it
    file: Path


def merge(base: Path, adapter: Path, out: Path, on_progress: OnProgress | None = None) -> None:
    """Write a checkpoint that answers as the base does under the adapter.

    Sums are made in float32 and stored in the dtype of the base. Needs memory for one of the base's weight files.
    Until all is written, nothing is at `out`.

    Args:
        base: a checkpoint that is not quantised, in safetensors.
        adapter: a LoRA adapter of it, in PEFT's format.
        out: a directory that does not exist or is empty.
        on_progress: told ("merge", fraction) as weight files are written.

    Raises:
        ConfigError: `out` is taken or cannot be written.
        UnsupportedModel: the base is quantised, or has its weights as pickles only.
        ModelLoadFailed: files of the base are missing or broken.
        AdapterRejected: the adapter is broken, does not fit the base, or changes what cannot be merged.
    """
    _refuse_if_taken(out)
    config = read_config(base)
    if config.get("quantization_config"):
        raise UnsupportedModel(
            f"the weights of {base.name} are quantised, and a sum cannot be: merge into the checkpoint it was made from"
        )
    files = find_weights(base, allow_pickle=False)
    lora = read_lora(adapter)
    changes = _changes(lora, files)
    report = on_progress or _silence
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.mkdir(parents=True)
        _copy_the_rest(base, partial)
        for done, file in enumerate(files, start=1):
            _write(file, partial / file.name, [change for change in changes if change.file == file], lora)
            report("merge", done / len(files))
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written ({error}): check the disk and permissions") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _refuse_if_taken(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} exists and is not empty: name a new directory")


def _copy_the_rest(base: Path, partial: Path) -> None:
    for entry in base.iterdir():
        if any(fnmatch(entry.name, pattern) for pattern in _LEFT_OUT):
            continue
        if entry.is_dir():
            shutil.copytree(entry, partial / entry.name, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        else:
            shutil.copy2(entry, partial / entry.name)
    if (base / _INDEX).is_file():
        shutil.copy2(base / _INDEX, partial / _INDEX)


def _changes(lora: Lora, files: list[Path]) -> list[_Change]:
    """Where in the base's files the layers of an adapter are."""
    if other := [name for name in lora.weights if ".lora_embedding_" in name or name.endswith(".lora_B.bias")]:
        raise AdapterRejected(f"{lora.name} changes more than the weights of linear layers ({other[0]}): not merged")
    if lora.config.fan_in_fan_out:
        raise AdapterRejected(f"{lora.name} is of a model with transposed weights (fan_in_fan_out): not merged")
    home = {tensor: file for file in files for tensor in _shapes(file)}
    modules = sorted({_module(name) for name in lora.weights})
    found = [(module, _tensor_of(module, home)) for module in modules]
    if lost := [module for module, tensor in found if tensor is None]:
        raise AdapterRejected(f"{lora.name} does not fit the base, which has no {lost[0]}: merge it into its own base")
    return [_Change(module, tensor, home[tensor]) for module, tensor in found if tensor is not None]


def _module(name: str) -> str:
    """The layer that a weight of an adapter belongs to: base_model.model.LAYER.lora_A.weight."""
    return name.removeprefix("base_model.model.").partition(".lora_")[0]


def _tensor_of(module: str, home: Mapping[str, Path]) -> str | None:
    """A layer's weight in the files, whose names may begin otherwise than the model's own."""
    if f"{module}.weight" in home:
        return f"{module}.weight"
    parts = module.split(".")
    while parts:
        ending = ".".join((*parts, "weight"))
        matching = [name for name in home if name.endswith(f".{ending}") or name == ending]
        if matching:
            return matching[0] if len(matching) == 1 else None
        parts = parts[1:]
        if not any(part.isdigit() for part in parts):  # which layer it is must be said
            return None
    return None


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(file, "pt") as stored:
            return {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelLoadFailed(f"{file} cannot be read ({error}): download it again") from error


def _write(source: Path, target: Path, changes: list[_Change], lora: Lora) -> None:
    """Write a weight file with some of its weights changed; the others to the bit."""
    if not changes:
        shutil.copy2(source, target)
        return
    tensors: dict[str, torch.Tensor] = {}
    with safe_open(source, "pt") as stored:
        metadata: dict[str, str] = stored.metadata() or {}
        for name in stored.keys():  # noqa: SIM118
            tensors[name] = stored.get_tensor(name)
    for change in changes:
        tensors[change.tensor] = _merged(change.module, tensors[change.tensor], lora)
    try:
        save_file(tensors, target, {"format": "pt", **metadata})
    except SafetensorError as error:
        raise OSError(str(error)) from error


def _merged(module: str, weight: torch.Tensor, lora: Lora) -> torch.Tensor:
    """A weight with an adapter's share added by PEFT, which knows every kind of scale."""
    if weight.ndim != 2 or not weight.is_floating_point():
        raise AdapterRejected(f"{lora.name} changes {module}, which is no linear layer: not merged")
    rows, columns = weight.shape
    linear = nn.Linear(columns, rows, bias=False, device="meta")
    linear.weight = nn.Parameter(weight.float(), requires_grad=False)
    own = {name: value for name, value in lora.weights.items() if _module(name) == module}
    ranks, alphas = (_matching(pattern, module) for pattern in (lora.config.rank_pattern, lora.config.alpha_pattern))
    config = replace(lora.config, **_WHOLE, target_modules=[module], rank_pattern=ranks, alpha_pattern=alphas)
    (place,) = inject(_alone(module, linear), replace(lora, config=config, weights=own))
    layer: Any = place.adapted
    layer.merge(safe_merge=True)
    merged: torch.Tensor = linear.weight.detach()
    return merged.to(weight.dtype)


def _matching(pattern: Mapping[str, int] | None, module: str) -> dict[str, int]:
    """What a pattern of PEFT's says about one layer; it warns of the rest."""
    return {key: value for key, value in (pattern or {}).items() if re.match(rf"(.*\.)?({key})$", module)}


def _alone(module: str, layer: nn.Module) -> nn.Module:
    """A model of one layer, which has the name it has in the whole one."""
    root = nn.Module()
    parent = root
    *parts, last = module.split(".")
    for part in parts:
        child = nn.Module()
        parent.add_module(part, child)
        parent = child
    parent.add_module(last, layer)
    return root


def _silence(_stage: str, _fraction: float) -> None:
    """Nobody wants to know."""
