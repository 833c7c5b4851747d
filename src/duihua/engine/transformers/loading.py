"""A checkpoint directory becomes a model on its device."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, PreTrainedModel
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)
from transformers.utils import logging as chatter

from duihua.checkpoint.architecture import is_built_in
from duihua.checkpoint.files import read_json_if_there
from duihua.checkpoint.generation import context_window
from duihua.engine.settings import EngineSettings, OnProgress
from duihua.engine.transformers.formats import (
    check_quantisation,
    find_weights,
    read_config,
    refuse_an_adapter_inside,
)
from duihua.engine.transformers.placement import ALL_GPUS, DTYPES, choose_device, choose_dtype, this_machine
from duihua.errors import ConfigError, ModelLoadFailed, UnsupportedModel
from duihua.families import twin_of

__all__ = ["LoadedModel", "load_model"]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to compute, in eval mode."""

    model: PreTrainedModel
    context_window: int  # tokens


def load_model(path: Path, settings: EngineSettings, on_progress: OnProgress | None = None) -> LoadedModel:
    """Load a checkpoint; nothing is fetched from the network.

    Args:
        path: a directory with config.json and weights.
        settings: device, dtype, window and what is allowed.
        on_progress: told ("weights", fraction) while weights are read.

    Raises:
        ConfigError: a device, dtype or window that cannot be.
        ModelLoadFailed: files are missing or broken, or memory ran out.
        UnsupportedModel: an architecture or format that is not run, or whose package is missing.
    """
    report = on_progress or _silence
    config_json = read_config(path)
    _refuse_foreign_eyes(path, config_json)
    quantisation = check_quantisation(config_json)
    refuse_an_adapter_inside(path)
    weights = find_weights(path, allow_pickle=settings.allow_pickle)
    machine = this_machine()
    size = sum(file.stat().st_size for file in weights)
    device = choose_device(settings.device, machine, weight_bytes=size)
    dtype = choose_dtype(settings.dtype, device, machine, weight_bytes=size)
    if device == ALL_GPUS and importlib.util.find_spec("accelerate") is None:
        raise ConfigError("a model on several GPUs needs accelerate: pip install accelerate")
    with _quiet(report):
        config = _read_config(path, config_json, settings)
        window = _context_window(path, config_json, settings.context_window)
        options: dict[str, Any] = {"dtype": DTYPES[dtype]}
        if quantisation is not None:
            options = {"dtype": "auto" if settings.dtype == "auto" else DTYPES[dtype], "device_map": device}
        if device == ALL_GPUS:
            options["device_map"] = "auto"
        model = _read_weights(path, config, settings, options)
    if "device_map" not in options:
        report("device", 0.0)
        model = _moved(model, device, path)
        report("device", 1.0)
    return LoadedModel(model.eval().requires_grad_(requires_grad=False), window)


def _refuse_foreign_eyes(path: Path, config_json: Mapping[str, Any]) -> None:
    """Refuse a model whose code of its own sees, and that has a twin whose eyes are known here."""
    twin = twin_of(path.name, config_json)
    if twin and "vision_config" in config_json and not is_built_in(str(config_json.get("model_type"))):
        raise UnsupportedModel(
            f"{path.name} sees with code of its own, which this engine cannot lead: use {twin}, or --engine vllm"
        )


def _read_config(path: Path, config_json: dict[str, Any], settings: EngineSettings) -> Any:
    kind = config_json.get("model_type")
    needs_code = "auto_map" in config_json
    try:
        config: Any = AutoConfig.from_pretrained(
            path, trust_remote_code=settings.trust_remote_code, local_files_only=True
        )
    except (ValueError, KeyError, ImportError) as error:
        if needs_code and not settings.trust_remote_code:
            raise UnsupportedModel(
                f"model type {kind!r} is run by Python code that comes with the checkpoint: use its release "
                "in Transformers format (often named -hf), or allow remote code if you trust where it is from"
            ) from error
        raise UnsupportedModel(f"model type {kind!r} is not known to this version of Transformers: {error}") from error
    except OSError as error:
        raise ModelLoadFailed(f"{path / 'config.json'} cannot be read: {error}") from error
    return config


def _model_class(config: Any, *, trust_remote_code: bool) -> Any:
    """The class that generates text from this configuration; vision-language where there is no other."""
    own = getattr(config, "auto_map", None) or {}
    if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return AutoModelForCausalLM
    if trust_remote_code and "AutoModelForCausalLM" in own:
        return AutoModelForCausalLM
    if config.model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return AutoModelForImageTextToText
    raise UnsupportedModel(f"model type {config.model_type!r} does not generate text: use a causal language model")


def _read_weights(path: Path, config: Any, settings: EngineSettings, options: dict[str, Any]) -> PreTrainedModel:
    model_class = _model_class(config, trust_remote_code=settings.trust_remote_code)
    try:
        model, findings = model_class.from_pretrained(
            path,
            config=config,
            use_safetensors=None if settings.allow_pickle else True,
            trust_remote_code=settings.trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
            **options,
        )
    except ImportError as error:
        raise UnsupportedModel(f"a package is missing: {error}") from error
    except (OSError, SafetensorError, RuntimeError, ValueError, MemoryError, KeyError) as error:
        raise _load_failure(path, error) from error
    missing = sorted(findings["missing_keys"])
    if missing:
        raise ModelLoadFailed(
            f"{path} lacks {len(missing)} weights of the model ({missing[0]}): its files and its config.json "
            "do not belong together"
        )
    return model


def _moved(model: PreTrainedModel, device: str, path: Path) -> PreTrainedModel:
    try:
        return model.to(torch.device(device))  # pyright: ignore[reportArgumentType]  the stub wants a PreTrainedModel
    except RuntimeError as error:
        raise _load_failure(path, error) from error


def _load_failure(path: Path, error: Exception) -> ModelLoadFailed:
    words = str(error).lower()
    if (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "out of memory" in words
        or "allocate memory" in words
    ):
        return ModelLoadFailed(
            f"memory ran out while loading {path.name}: use a smaller or a quantised model, a 16-bit dtype "
            "or another device"
        )
    return ModelLoadFailed(f"{path} cannot be loaded: {error}")


def _context_window(path: Path, config_json: Mapping[str, Any], asked: int | None) -> int:
    try:
        own = context_window(path, config_json, read_json_if_there(path / "tokenizer_config.json"))
    except ModelLoadFailed:
        if asked is None:
            raise
        return asked
    if asked is not None and asked > own:
        raise ConfigError(f"context_window={asked} is above what the model was made for: it takes {own} tokens")
    return asked or own


@contextmanager
def _quiet(report: OnProgress) -> Generator[None]:
    """Silence Transformers and turn its progress bar into reports; what was set before comes back."""
    verbosity, bars = chatter.get_verbosity(), chatter.is_progress_bar_enabled()

    def hook(_: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return _Progress(args[0] if args else options.get("iterable"), report, options.get("total"))

    chatter.set_verbosity(logging.CRITICAL)
    chatter.disable_progress_bar()
    before = chatter.set_tqdm_hook(hook)
    try:
        yield
    finally:
        chatter.set_tqdm_hook(before)
        chatter.set_verbosity(verbosity)
        if bars:
            chatter.enable_progress_bar()


class _Progress:
    """Stands in for a tqdm bar."""

    def __init__(self, items: Iterable[Any] | None, report: OnProgress, total: int | None) -> None:
        self._items = items
        self._report = report
        self._total = total or (len(items) if hasattr(items, "__len__") else 0)  # pyright: ignore[reportArgumentType]
        self._done = 0

    def __iter__(self) -> Iterator[Any]:
        for item in self._items or ():
            yield item
            self.update()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, count: int = 1) -> None:
        """Count what is done."""
        self._done += count
        if self._total:
            self._report("weights", min(1.0, self._done / self._total))

    def __getattr__(self, _: str) -> Callable[..., None]:
        return _ignore


def _silence(_stage: str, _fraction: float) -> None:
    """Nobody wants to know."""


def _ignore(*_: object, **__: object) -> None:
    """Takes any call of a bar that draws nothing."""
