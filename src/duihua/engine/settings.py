"""What can be set about an engine: one name for each thing, on every engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from duihua.errors import ConfigError, InvalidParameter

__all__ = ["VLLM_ONLY", "EngineSettings", "OnProgress"]

OnProgress = Callable[[str, float], None]  # (stage, fraction of it that is done, 0..1); called from the loading thread

_LOWEST: Final = {
    "context_window": 2,
    "threads": 1,
    "max_sequences": 1,
    "queue_limit": 0,
    "kv_capacity": 2,
    "tensor_parallel_size": 1,
    "pipeline_parallel_size": 1,
    "data_parallel_size": 1,
    "max_adapters": 1,
    "max_adapter_rank": 1,
    "max_images": 0,
}
_LONGEST_WAIT: Final = 1000.0
VLLM_ONLY: Final = (
    "gpu_memory_share",
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "distributed_executor_backend",
    "quantization",
    "eager",
    "prefix_caching",
    "chunked_prefill",
    "gather_ms",
    "kv_cache_dtype",
    "speculative_config",
    "engine_args",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How a model is loaded and how much of it runs at once.

    What is None is left to the engine. An engine refuses by name what it cannot follow.

    Raises:
        ConfigError: a number that cannot be.
    """

    device: str = "auto"  # "cpu", "cuda", "cuda:1", "mps"; "auto": the best there is, all GPUs when one is too small
    dtype: str = "auto"  # "float32", "bfloat16", "float16"; "auto": what is fastest and safe on the device
    context_window: int | None = None  # tokens of prompt and answer together; None: the model's own
    threads: int | None = None  # of a CPU; None: one for a model below 16M parameters, else as many as cores
    max_sequences: int | None = None  # requests that generate at once; None: 8, on vLLM what suits the machine
    queue_limit: int = 32  # requests that may wait beyond those
    max_images: int = 8  # pictures in one prompt, of a model that sees; 0: none is taken
    kv_capacity: int | None = None  # tokens whose keys and values are held; None: see `default_kv_capacity`
    trust_remote_code: bool = False  # run Python code that comes with the checkpoint
    allow_pickle: bool = False  # read weights that are pickled: they can run code too
    # The rest, down to `engine_args`, is vLLM's.
    gpu_memory_share: float | None = None  # of each GPU's memory, for weights and KV; 0..1
    tensor_parallel_size: int | None = None  # GPUs that share each layer
    pipeline_parallel_size: int | None = None  # groups of GPUs that hold some of the layers each
    data_parallel_size: int | None = None  # copies of the model
    distributed_executor_backend: Literal["mp", "ray", "uni"] | None = None
    quantization: str | None = None  # quantise while loading: "fp8", "bitsandbytes", ...; None: as config.json says
    eager: bool | None = None  # no CUDA graphs and no compilation: starts sooner, runs slower
    prefix_caching: bool | None = None
    chunked_prefill: bool | None = None
    gather_ms: float = 100.0  # milliseconds that a token may wait for the next ones while many answers run; 0: never
    kv_cache_dtype: str | None = None  # "auto", "fp8", ...
    speculative_config: Mapping[str, Any] | None = None  # vLLM's own: {"method": "ngram", ...}
    engine_args: Mapping[str, Any] = field(default_factory=dict[str, Any])  # any other of vLLM's AsyncEngineArgs
    max_adapters: int | None = None  # LoRA adapters that may be loaded at once; None: none on vLLM, else no limit
    max_adapter_rank: int | None = None  # of those; None: 16 on vLLM, else no limit
    log_file: Path | None = None  # where an engine in other processes writes its own log; None: a temporary one

    def __post_init__(self) -> None:
        try:
            self._check()
        except InvalidParameter as error:
            raise ConfigError(str(error)) from error

    def _check(self) -> None:
        for name, low in _LOWEST.items():
            value: Any = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < low):
                raise InvalidParameter(name, value, f"give a whole number from {low}")
        share: Any = self.gpu_memory_share
        if share is not None and (isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1):
            raise InvalidParameter("gpu_memory_share", share, "give a share between 0 and 1, such as 0.9")
        wait: Any = self.gather_ms
        if isinstance(wait, bool) or not isinstance(wait, int | float) or not 0 <= wait <= _LONGEST_WAIT:
            raise InvalidParameter("gather_ms", wait, f"give milliseconds from 0 to {_LONGEST_WAIT:.0f}")
        for name in ("engine_args", "speculative_config"):
            table: Any = getattr(self, name)
            if table is not None and not isinstance(table, Mapping):
                raise InvalidParameter(name, table, "give a table of names and values")

    def said(self, names: tuple[str, ...]) -> list[str]:
        """Those of the names that were set to something."""
        defaults = {f.name: f.default for f in fields(self)}
        return [name for name in names if (value := getattr(self, name)) != defaults[name] and value != {}]

    def default_kv_capacity(self, context_window: int) -> int:
        """Tokens of KV held when none are set: one full window, or eight sequences of up to 4,096 tokens."""
        return max(context_window, 8 * min(context_window, 4096))
