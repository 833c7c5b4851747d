"""Which device, and which number format on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

from duihua.errors import ConfigError

__all__ = ["ALL_GPUS", "DTYPES", "Machine", "choose_device", "choose_dtype", "choose_threads", "this_machine"]

ALL_GPUS: Final = "cuda:all"
DTYPES: Final = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_SMALL_MODEL: Final = 16_000_000  # parameters
_SMALL_FILES: Final = 2 * _SMALL_MODEL  # bytes, two for each parameter
_BFLOAT16_FROM: Final = (8, 0)  # compute capability of Ampere, the first with bfloat16 in hardware


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a machine has to compute on."""

    gpu_capabilities: tuple[tuple[int, int], ...] = ()  # CUDA compute capability of each GPU
    gpu_free_bytes: tuple[int, ...] = ()
    mps: bool = False
    cpu_bfloat16: bool = False  # in hardware


def this_machine() -> Machine:
    """Look at the machine we run on."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return Machine(
        gpu_capabilities=tuple(torch.cuda.get_device_capability(i) for i in range(count)),
        gpu_free_bytes=tuple(torch.cuda.mem_get_info(i)[0] for i in range(count)),
        mps=torch.backends.mps.is_available(),
        cpu_bfloat16=_has_cpu_bfloat16(),
    )


def choose_device(asked: str, machine: Machine, *, weight_bytes: int = 0) -> str:
    """The device to load on: "cpu", "mps", "cuda:N", or `ALL_GPUS` to spread the model.

    Args:
        asked: "auto", or a device by name.
        machine: what there is.
        weight_bytes: size of the weights; "auto" spreads what fills one GPU to more than 9/10.

    Raises:
        ConfigError: no such device here.
    """
    gpus = len(machine.gpu_capabilities)
    if asked == "auto":
        if not gpus:
            return "mps" if machine.mps else "cpu"
        return ALL_GPUS if gpus > 1 and weight_bytes > 0.9 * machine.gpu_free_bytes[0] else "cuda:0"
    there = {"cpu": "cpu"} | {f"cuda:{i}": f"cuda:{i}" for i in range(gpus)}
    there |= {"cuda": "cuda:0", ALL_GPUS: ALL_GPUS} if gpus else {}
    there |= {"mps": "mps"} if machine.mps else {}
    if asked not in there:
        raise ConfigError(f"device {asked!r} is not on this machine: use auto or one of {', '.join(there)}")
    return there[asked]


def choose_dtype(asked: str, device: str, machine: Machine, *, weight_bytes: int) -> str:
    """The number format to compute in, a key of `DTYPES`.

    "auto" is bfloat16 where the hardware has it; else float16 on a GPU and float32 on a CPU, where emulated
    bfloat16 was measured to be slower (26M parameters, 8 sequences, AVX-512 without bf16: 182 against
    154 tokens/s on one core). On a CPU a small model is computed in float32 in any case: it is faster (5.4M
    parameters, one sequence, AVX-512 with bf16: 211 against 199 tokens/s), and the same on every machine.

    Args:
        asked: "auto", or a format by name.
        device: what `choose_device` gave.
        machine: what there is.
        weight_bytes: size of the weights.

    Raises:
        ConfigError: no such format.
    """
    if asked != "auto":
        if asked not in DTYPES:
            raise ConfigError(f"dtype {asked!r} is unknown: use auto or one of {', '.join(DTYPES)}")
        return asked
    if device == "cpu":
        return "bfloat16" if machine.cpu_bfloat16 and weight_bytes >= _SMALL_FILES else "float32"
    if device == "mps":
        return "float16"
    used = range(len(machine.gpu_capabilities)) if device == ALL_GPUS else [int(device.partition(":")[2])]
    return "bfloat16" if all(machine.gpu_capabilities[i] >= _BFLOAT16_FROM for i in used) else "float16"


def choose_threads(asked: int | None, parameter_count: int) -> int | None:
    """CPU threads to compute with; None for torch's own choice.

    A second thread gains a small model nothing (2.9M parameters: 5.5 ms a token with one or two), and on a busy
    machine the threads wait for each other at every layer (5 against 38 tokens/s, three other processes on two cores).
    """
    if asked is not None:
        return asked
    return 1 if parameter_count < _SMALL_MODEL else None


def _has_cpu_bfloat16() -> bool:
    # torch names no public question for this; where these are missing the answer is no.
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)
