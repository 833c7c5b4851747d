"""Our settings as vLLM's arguments, and what vLLM made of them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from duihua.checkpoint.architecture import is_built_in
from duihua.checkpoint.files import read_json, read_json_if_there
from duihua.checkpoint.geometry import kv_bytes_per_token, weight_bytes
from duihua.engine.settings import EngineSettings
from duihua.engine.transformers.placement import DTYPES, choose_dtype, this_machine
from duihua.errors import ConfigError

if TYPE_CHECKING:
    from vllm.config import VllmConfig

__all__ = ["engine_args", "rewritten"]

# vLLM's argument for each of our settings (vllm/engine/arg_utils.py, 0.26 to 0.33).
_NAMES: Final[Mapping[str, str]] = {
    "dtype": "dtype",
    "context_window": "max_model_len",
    "max_sequences": "max_num_seqs",
    "trust_remote_code": "trust_remote_code",
    "gpu_memory_share": "gpu_memory_utilization",
    "tensor_parallel_size": "tensor_parallel_size",
    "pipeline_parallel_size": "pipeline_parallel_size",
    "data_parallel_size": "data_parallel_size",
    "distributed_executor_backend": "distributed_executor_backend",
    "quantization": "quantization",
    "eager": "enforce_eager",
    "prefix_caching": "enable_prefix_caching",
    "chunked_prefill": "enable_chunked_prefill",
    "kv_cache_dtype": "kv_cache_dtype",
    "speculative_config": "speculative_config",
    "max_adapters": "max_loras",
    "max_adapter_rank": "max_lora_rank",
    "kv_capacity": "kv_cache_memory_bytes",
    "max_images": "limit_mm_per_prompt",
}
# Not passed on as they are.
_WORKED_OUT: Final = ("dtype", "kv_capacity", "max_adapters", "max_adapter_rank", "max_images")
# What the engine itself depends on; nobody else sets it.
_FIXED: Final[Mapping[str, Any]] = {
    "skip_tokenizer_init": True,  # text is not its business; but see `_reads_tokens`
    "generation_config": "vllm",  # a checkpoint's sampling defaults are ours to read
    "enable_log_requests": False,
}
_DEFAULTS: Final[Mapping[str, Any]] = {
    "max_logprobs": 100,
    "scheduling_policy": "priority",
    "disable_log_stats": True,
}
_ON_CPU: Final[Mapping[str, Any]] = {"worker_extension_cls": "duihua.engine.vllm.uncompiled.Uncompiled"}
_RANKS: Final = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # vllm/config/lora.py, MaxLoRARanks
_BLOCK: Final = 128  # tokens of a KV block on a CPU
_WHOLE_PREFILL: Final = 32_768  # tokens up to which a CPU computes a prompt in one step
_PROCESSORS: Final = ("preprocessor_config.json", "processor_config.json")
_CPU_SHARE: Final = 0.5  # of memory, where nothing tells what a token takes
_CONFIGS: Final[Mapping[str, Callable[[VllmConfig], Any]]] = {
    "dtype": lambda config: str(config.model_config.dtype).removeprefix("torch."),
    "max_model_len": lambda config: config.model_config.max_model_len,
    "max_num_seqs": lambda config: config.scheduler_config.max_num_seqs,
    "max_num_batched_tokens": lambda config: config.scheduler_config.max_num_batched_tokens,
    "enable_chunked_prefill": lambda config: config.scheduler_config.enable_chunked_prefill,
    "async_scheduling": lambda config: config.scheduler_config.async_scheduling,
    "enable_prefix_caching": lambda config: config.cache_config.enable_prefix_caching,
    "block_size": lambda config: config.cache_config.block_size,
    "kv_cache_dtype": lambda config: config.cache_config.cache_dtype,
    "tensor_parallel_size": lambda config: config.parallel_config.tensor_parallel_size,
    "pipeline_parallel_size": lambda config: config.parallel_config.pipeline_parallel_size,
    "data_parallel_size": lambda config: config.parallel_config.data_parallel_size,
    "distributed_executor_backend": lambda config: config.parallel_config.distributed_executor_backend,
    "quantization": lambda config: config.model_config.quantization,
    "enforce_eager": lambda config: config.model_config.enforce_eager,
}


def engine_args(path: Path, settings: EngineSettings) -> dict[str, Any]:
    """The arguments of vLLM's `AsyncEngineArgs` for a checkpoint and settings.

    Raises:
        ConfigError: a device that this vLLM is not built for, an argument that it has not (with the nearest one) or
            that has a name of ours, or a setting that is not vLLM's.
    """
    from vllm.platforms import current_platform

    on_cpu = current_platform.is_cpu()
    _refuse_foreign(settings, on_cpu=on_cpu)
    if settings.distributed_executor_backend == "ray" and not current_platform.ray_device_key:  # as vLLM itself does
        where = current_platform.device_name
        raise ConfigError(
            f"--distributed-executor-backend ray cannot be used: vLLM does not run ray on {where}; say mp"
        )
    plain = (name for name in _NAMES if name not in _WORKED_OUT)
    said = {_NAMES[name]: value for name in plain if (value := getattr(settings, name)) is not None}
    args = {
        "model": str(path),
        "load_format": "auto" if settings.allow_pickle else "safetensors",
        "dtype": _dtype(path, settings, on_cpu=on_cpu),
        **_FIXED,
        **_DEFAULTS,
        **said,
        **_lora(settings, on_cpu=on_cpu),
        **({"skip_tokenizer_init": False} if _reads_tokens(path) else {}),
        **_pictures(path, settings),
    }
    if on_cpu:
        args |= {**_ON_CPU, **_for_cpu(args, settings)}
    if (memory := _kv_memory(path, args, settings, on_cpu=on_cpu)) is not None:
        args["kv_cache_memory_bytes"] = memory
    elif on_cpu:
        args.setdefault("gpu_memory_utilization", _CPU_SHARE)
    args |= _checked(settings.engine_args)
    return args


def rewritten(args: Mapping[str, Any], settings: EngineSettings, config: VllmConfig) -> tuple[str, ...]:
    """A sentence for each thing the user asked for that vLLM runs otherwise."""
    asked = [_NAMES[name] for name in settings.said(tuple(_NAMES))] + list(settings.engine_args)
    ours = {vllm: name for name, vllm in _NAMES.items()}
    sentences: list[str] = []
    for name in asked:
        read = _CONFIGS.get(name)
        if read is None or args.get(name) in (None, "auto"):
            continue
        found = read(config)
        if found != args[name]:
            sentences.append(f"vLLM runs {ours.get(name, name)}={found} where {args[name]} was asked for")
    return tuple(sentences)


def _refuse_foreign(settings: EngineSettings, *, on_cpu: bool) -> None:
    if settings.threads is not None:
        raise ConfigError("threads cannot be set for the vllm engine: its variable is VLLM_CPU_OMP_THREADS_BIND")
    built_for = "cpu" if on_cpu else "cuda"
    if settings.device not in ("auto", built_for):
        raise ConfigError(
            f"device {settings.device!r} cannot be set here: the installed vLLM is built for {built_for}"
            + ("" if on_cpu else ", and CUDA_VISIBLE_DEVICES says which GPUs it sees")
            + "; --engine transformers runs on any device"
        )


def _dtype(path: Path, settings: EngineSettings, *, on_cpu: bool) -> str:
    if settings.dtype != "auto":
        if settings.dtype not in DTYPES:
            raise ConfigError(f"dtype {settings.dtype!r} is unknown: use auto or one of {', '.join(DTYPES)}")
        return settings.dtype
    return choose_dtype("auto", "cpu", this_machine(), weight_bytes=weight_bytes(path)) if on_cpu else "auto"


def _lora(settings: EngineSettings, *, on_cpu: bool) -> dict[str, Any]:
    """Places for adapters: one more, for a new one to load before that of the same name goes.

    On a CPU another one stays empty: in a batch with adapters vLLM gives rows without one the last place's weights
    (vllm/lora/ops/torch_ops/lora_ops.py indexes it by -1).
    """
    if not settings.max_adapters:
        return {}
    asked = settings.max_adapter_rank or 16
    rank = next((rank for rank in _RANKS if rank >= asked), None)
    if rank is None:
        raise ConfigError(f"max_adapter_rank={asked} is not possible on vLLM: it runs ranks up to {_RANKS[-1]}")
    if settings.dtype == "float32" and not on_cpu:  # vllm/lora/ops/triton_ops/lora_shrink_op.py
        raise ConfigError(
            "adapters do not run in float32 on vLLM's GPU kernels: use --dtype bfloat16 or float16, or --engine "
            "transformers"
        )
    places = settings.max_adapters + (2 if on_cpu else 1)
    return {"enable_lora": True, "max_loras": places, "max_cpu_loras": places, "max_lora_rank": rank}


def _pictures(path: Path, settings: EngineSettings) -> dict[str, Any]:
    """Room for pictures, for a model that sees; its processor wants a tokenizer, though it is given ids.

    How they are cut up stands in a file; of a model that Transformers does not know, in vLLM's port of its code.
    """
    config = read_json(path / "config.json")
    if "vision_config" not in config:
        return {}
    has_file = any((path / name).is_file() for name in _PROCESSORS)
    is_told_how = has_file or not is_built_in(str(config.get("model_type")))
    images = settings.max_images if is_told_how else 0
    found = {"limit_mm_per_prompt": {"image": images, "video": 0}}
    return {**found, "skip_tokenizer_init": False} if images else found


def _reads_tokens(path: Path) -> bool:
    """Whether vLLM can read the tokenizer, with which it follows grammars: one that needs no code of its own."""
    stated = read_json_if_there(path / "tokenizer_config.json")
    return (path / "tokenizer.json").is_file() and "auto_map" not in stated


def _for_cpu(args: Mapping[str, Any], settings: EngineSettings) -> dict[str, Any]:
    """Prompts in one piece: vLLM cannot go on with a seed after a piece of a prompt on a CPU (gpu_model_runner.py)."""
    window = args.get("max_model_len") or _WHOLE_PREFILL + 1
    if settings.chunked_prefill is not None or window > _WHOLE_PREFILL:
        return {}
    return {"enable_chunked_prefill": False, "max_num_batched_tokens": max(window, 2048)}


def _kv_memory(path: Path, args: Mapping[str, Any], settings: EngineSettings, *, on_cpu: bool) -> int | None:
    """Bytes for keys and values: as set in tokens; on a CPU what `default_kv_capacity` says."""
    capacity = settings.kv_capacity
    if capacity is None and on_cpu and settings.gpu_memory_share is None:
        capacity = settings.default_kv_capacity(settings.context_window or 4096)
    if capacity is None:
        return None
    size = 4 if args["dtype"] == "float32" else 2
    per_token = kv_bytes_per_token(read_json(path / "config.json"), bytes_per_value=size)
    if per_token is None:
        if settings.kv_capacity is None:
            return None
        raise ConfigError("kv_capacity cannot be set for this model, whose cache is of no known kind: leave it out")
    blocks = -(-capacity // _BLOCK) + 8  # one is vLLM's own, and each sequence leaves one half empty
    return per_token * blocks * _BLOCK // (settings.tensor_parallel_size or 1)


def _checked(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Further arguments, each one of vLLM's and none that has a name here."""
    from vllm import AsyncEngineArgs

    known = {field.name for field in dataclasses.fields(AsyncEngineArgs)}
    ours = {vllm: name for name, vllm in _NAMES.items()} | {"model": "MODEL", "enable_lora": "max_adapters"}
    checked: dict[str, Any] = {}
    for said, value in extra.items():
        name = said.strip().removeprefix("--").replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(f"vLLM has no engine argument {said!r}" + (f": did you mean {near[0]}?" if near else ""))
        if name in ours:
            flag = ours[name] if name == "model" else "--" + ours[name].replace("_", "-")
            raise ConfigError(f"the engine argument {said!r} has a name of its own here: use {flag}")
        if name in _FIXED:
            raise ConfigError(f"the engine argument {said!r} is set by duihua, which depends on it: leave it out")
        checked[name] = value
    return checked
