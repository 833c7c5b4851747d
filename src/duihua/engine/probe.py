"""Tries the heavy libraries in a process of its own, where a native library that crashes ends nothing else.

It answers in JSON lines, one as each part begins and one as it ends, so whoever reads them (`engine.installed`)
knows in which part a crash was.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from duihua.errors import DuihuaError

__all__ = ["PARTS", "main"]


def main(arguments: Sequence[str]) -> None:
    """Answer one question: a JSON object with "parts", names of `PARTS`, and the fields of `Question`."""
    warnings.simplefilter("ignore")
    question = json.loads(arguments[0])
    for part in question["parts"]:
        _tell({"part": part})
        try:
            _tell({"part": part, "found": PARTS[part](question)})
        except Exception as error:  # noqa: BLE001  whatever a broken installation raises
            _tell({"part": part, "error": f"{type(error).__name__}: {error}"})


def _tell(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(f"\n{json.dumps(answer)}\n")  # libraries may have begun a line
    sys.stdout.flush()


def _torch(_: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "build": torch.version.cuda or torch.version.hip,
        "gpus": [_gpu(index) for index in range(count)],
    }


def _gpu(index: int) -> dict[str, Any]:
    import torch

    free, total = torch.cuda.mem_get_info(index)
    major, minor = torch.cuda.get_device_capability(index)
    name = torch.cuda.get_device_name(index)
    return {"name": name, "capability": f"{major}.{minor}", "total_bytes": total, "free_bytes": free}


def _transformers(_: Mapping[str, Any]) -> None:
    # What our engine takes from it; these pull in its image classes, and with them torchvision.
    for name in ("AutoConfig", "AutoModelForCausalLM", "AutoModelForImageTextToText", "PreTrainedModel"):
        getattr(importlib.import_module("transformers"), name)


def _torchvision(_: Mapping[str, Any]) -> None:
    importlib.import_module("torchvision")


def _vllm(_: Mapping[str, Any]) -> dict[str, Any]:
    from vllm.platforms import current_platform

    is_cpu = current_platform.is_cpu()
    for kernels in () if is_cpu else ("vllm._C", "vllm._C_stable_libtorch"):  # the latter from 0.26 on
        if importlib.util.find_spec(kernels) is not None:
            importlib.import_module(kernels)  # vLLM itself only warns where its kernels do not load
    return {"device": current_platform.device_type, "is_cpu": is_cpu}


def _placement(question: Mapping[str, Any]) -> dict[str, Any]:
    """Which engine, device and number format would be chosen, by the functions that choose them."""
    from duihua.engine.choice import choose_engine
    from duihua.engine.transformers.placement import choose_device, choose_dtype, this_machine

    machine, size = this_machine(), question["weight_bytes"]
    choice = choose_engine(question["engine"], device=question["device"])
    found: dict[str, Any] = {"engine": choice.name, "reason": choice.reason}
    try:
        device = choose_device(question["device"], machine, weight_bytes=size)
        dtype = choose_dtype(question["dtype"], device, machine, weight_bytes=size)
    except DuihuaError as error:
        return found | {"refusal": str(error)}
    return found | {"device": device, "dtype": dtype}


PARTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "torch": _torch,
    "transformers": _transformers,
    "torchvision": _torchvision,
    "vllm": _vllm,
    "placement": _placement,
}
