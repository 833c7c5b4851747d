"""What can be told about a checkpoint's weights from its small files, before anything is loaded."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from duihua.errors import ModelLoadFailed, UnsupportedModel

__all__ = ["check_quantisation", "find_weights", "read_config", "refuse_an_adapter_inside"]

# Packages that Transformers needs for each quant_method of config.json: import name -> pip name.
# Source: transformers/quantizers/quantizer_*.py, `validate_environment`, version 5.23.
_PACKAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "gptq": {"optimum": "optimum", "gptqmodel": "gptqmodel"},
    "awq": {"accelerate": "accelerate", "gptqmodel": "gptqmodel"},
    "bitsandbytes": {"accelerate": "accelerate", "bitsandbytes": "bitsandbytes"},
    "fp8": {"accelerate": "accelerate"},
    "compressed-tensors": {"compressed_tensors": "compressed-tensors"},
    "torchao": {"torchao": "torchao"},
    "hqq": {"hqq": "hqq"},
    "auto-round": {"auto_round": "auto-round"},
    "quanto": {"accelerate": "accelerate", "optimum": "optimum-quanto"},
    "aqlm": {"accelerate": "accelerate", "aqlm": "aqlm"},
    "mxfp4": {"accelerate": "accelerate", "kernels": "kernels"},
}


def read_config(path: Path) -> dict[str, Any]:
    """Read config.json of a checkpoint directory.

    Raises:
        ModelLoadFailed: it is missing or is not a JSON object.
    """
    try:
        config: Any = json.loads((path / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelLoadFailed(f"{path / 'config.json'} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise ModelLoadFailed(f"{path / 'config.json'} is not a JSON object")
    return config


def check_quantisation(config: Mapping[str, Any]) -> str | None:
    """Name the quantisation of a checkpoint, None when there is none.

    Raises:
        UnsupportedModel: a method we do not know, or whose packages are not installed.
    """
    settings: Any = config.get("quantization_config")
    if not settings:
        return None
    method = str(settings.get("quant_method") or ("bitsandbytes" if "load_in_4bit" in settings else "unnamed"))
    if method not in _PACKAGES:
        known = ", ".join(_PACKAGES)
        raise UnsupportedModel(f"the weights are quantised by {method!r}, which is not run here; these are: {known}")
    missing = [pip for name, pip in _PACKAGES[method].items() if importlib.util.find_spec(name) is None]
    if missing:
        raise UnsupportedModel(
            f"the weights are quantised by {method!r} and need {' and '.join(missing)}: "
            f"pip install {' '.join(missing)}, or use the checkpoint that is not quantised"
        )
    return method


def refuse_an_adapter_inside(path: Path) -> None:
    """Refuse a model that has a LoRA adapter among its files: where PEFT is installed, Transformers joins them.

    Raises:
        UnsupportedModel: there is one.
    """
    if (path / "adapter_config.json").is_file():
        raise UnsupportedModel(
            f"{path} holds a LoRA adapter beside the model (adapter_config.json), and Transformers would join them "
            "unasked: move adapter_config.json and adapter_model.* into a directory of their own"
        )


def find_weights(path: Path, *, allow_pickle: bool) -> list[Path]:
    """The files that hold a checkpoint's weights.

    Raises:
        ModelLoadFailed: a shard that the index names is missing, or there are no weights.
        UnsupportedModel: there are only pickled weights, and they are not allowed.
    """
    for name, pickled in (("model.safetensors", False), ("pytorch_model.bin", True)):
        files = _files(path, name)
        if files and pickled and not allow_pickle:
            raise UnsupportedModel(
                f"{path} has only pickled weights ({name}), which can run any code when they are read: "
                "use a safetensors checkpoint, or allow pickles if you trust where it is from"
            )
        missing = [file.name for file in files if not file.is_file()]
        if missing:
            raise ModelLoadFailed(
                f"{path} lacks {len(missing)} of {len(files)} weight files ({missing[0]}): download it again"
            )
        if files:
            return files
    raise ModelLoadFailed(f"{path} has no weights: model.safetensors is missing")


def _files(path: Path, name: str) -> list[Path]:
    index = path / f"{name}.index.json"
    if not index.is_file():
        return [path / name] if (path / name).is_file() else []
    try:
        shards = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelLoadFailed(f"{index} cannot be read: {error!r}: download it again") from error
    return [path / shard for shard in sorted(shards)]
