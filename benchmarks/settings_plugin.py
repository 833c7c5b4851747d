"""A plugin for vLLM that writes down what its engine runs with, beside this file; see `servers.plugin`.

vLLM loads it in each of its processes (`vllm.general_plugins`), whichever server started them. It must import nothing
of ours: it is linked into a directory of its own.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from pathlib import Path
from typing import Any

# What vLLM made of its arguments, by where it says so (vllm/config, 0.26 to 0.33).
READ_BACK = (
    "model_config.dtype",
    "model_config.max_model_len",
    "model_config.quantization",
    "model_config.enforce_eager",
    "load_config.load_format",
    "scheduler_config.max_num_seqs",
    "scheduler_config.max_num_batched_tokens",
    "scheduler_config.enable_chunked_prefill",
    "scheduler_config.policy",
    "scheduler_config.async_scheduling",
    "scheduler_config.stream_interval",
    "cache_config.enable_prefix_caching",
    "cache_config.num_gpu_blocks",
    "cache_config.block_size",
    "cache_config.cache_dtype",
    "parallel_config.distributed_executor_backend",
    "parallel_config.tensor_parallel_size",
    "parallel_config.data_parallel_size",
    "compilation_config.mode",
    "compilation_config.cudagraph_mode",
    "lora_config",
    "model_config.multimodal_config.limit_per_prompt",
    "model_config.multimodal_config.mm_processor_cache_gb",
    "scheduler_config.max_num_encoder_input_tokens",
    "scheduler_config.encoder_cache_size",
)


def register() -> None:
    """In the engine's process: have its loop write the settings down before it begins."""
    core: Any = sys.modules.get("vllm.v1.engine.core")
    if core is None:
        return
    loop = core.EngineCoreProc.run_busy_loop

    @functools.wraps(loop)
    def told(self: Any, *args: Any, **kwargs: Any) -> Any:
        _write({**_settings(self.vllm_config), "log_stats": str(self.log_stats)})
        return loop(self, *args, **kwargs)

    core.EngineCoreProc.run_busy_loop = told


def _settings(config: Any) -> dict[str, str]:
    """By the last part of the name; "-" where this vLLM knows none of it."""
    values: dict[str, str] = {}
    for name in READ_BACK:
        value: Any = config
        for part in name.split("."):
            value = getattr(value, part, "-")
        values[name.rpartition(".")[2]] = str(getattr(value, "name", value))
    return values


def _write(settings: dict[str, str]) -> None:
    file = Path(__file__).with_name(f"settings-{os.getpid()}.part")
    file.write_text(json.dumps(settings), encoding="utf-8")
    file.replace(file.with_suffix(".json"))  # whole or not there
