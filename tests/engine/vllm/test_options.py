from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vllm import AsyncEngineArgs

from duihua.engine.settings import VLLM_ONLY, EngineSettings
from duihua.engine.vllm.options import engine_args
from duihua.errors import ConfigError

Checkpoints = Callable[[str], Path]

# Each setting with a value, and what vLLM is told; what is worked out from several is tested below.
TOLD: dict[str, tuple[Any, str, Any]] = {
    "dtype": ("float16", "dtype", "float16"),
    "context_window": (256, "max_model_len", 256),
    "max_sequences": (5, "max_num_seqs", 5),
    "trust_remote_code": (True, "trust_remote_code", True),
    "allow_pickle": (True, "load_format", "auto"),
    "gpu_memory_share": (0.3, "gpu_memory_utilization", 0.3),
    "tensor_parallel_size": (2, "tensor_parallel_size", 2),
    "pipeline_parallel_size": (2, "pipeline_parallel_size", 2),
    "data_parallel_size": (2, "data_parallel_size", 2),
    "distributed_executor_backend": ("mp", "distributed_executor_backend", "mp"),
    "quantization": ("fp8", "quantization", "fp8"),
    "eager": (True, "enforce_eager", True),
    "prefix_caching": (False, "enable_prefix_caching", False),
    "chunked_prefill": (True, "enable_chunked_prefill", True),
    "kv_cache_dtype": ("fp8", "kv_cache_dtype", "fp8"),
    "speculative_config": ({"method": "ngram"}, "speculative_config", {"method": "ngram"}),
    "engine_args": ({"max-num-batched-tokens": 99}, "max_num_batched_tokens", 99),
    "max_adapters": (3, "enable_lora", True),
    "max_adapter_rank": (12, "max_lora_rank", 16),
    "kv_capacity": (1024, "kv_cache_memory_bytes", 2 * 2 * 2 * 32 * 4 * (1024 + 8 * 128)),
}
SEEN = {"max_images"}  # told of models that see only
OURS = {"queue_limit", "log_file", "device", "threads", "gather_ms"}  # of the engine itself, or refused


def test_every_setting_is_told_or_ours() -> None:
    assert {field.name for field in dataclasses.fields(EngineSettings)} == set(TOLD) | SEEN | OURS
    assert set(VLLM_ONLY) - OURS <= set(TOLD)


@pytest.mark.parametrize("name", TOLD)
def test_a_setting_becomes_vllms_argument(checkpoint: Checkpoints, name: str) -> None:
    value, argument, told = TOLD[name]
    more: dict[str, Any] = {"max_adapters": 1} if name == "max_adapter_rank" else {}
    if name != "dtype":
        more["dtype"] = "float32"
    args = engine_args(checkpoint("qwen3"), EngineSettings(**{name: value}, **more))
    assert args[argument] == told


def test_a_model_that_sees_is_given_room_for_pictures_and_its_tokenizer(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    path = checkpoint("glm4v")
    for settings, images in (
        (EngineSettings(), 8),
        (EngineSettings(max_images=3), 3),
        (EngineSettings(max_images=0), 0),
    ):
        args = engine_args(path, settings)
        assert args["limit_mm_per_prompt"] == {"image": images, "video": 0}
        assert args["skip_tokenizer_init"] is False
    blind = engine_args(checkpoint("qwen3"), EngineSettings(max_images=3))
    assert "limit_mm_per_prompt" not in blind
    for name in ("config.json", "model.safetensors"):  # no file says how pictures are cut up
        (tmp_path / name).symlink_to(path / name)
    assert engine_args(tmp_path, EngineSettings())["limit_mm_per_prompt"]["image"] == 0


def test_a_tokenizer_that_needs_no_code_of_its_own_is_read_for_grammars(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    path = checkpoint("qwen3")
    assert engine_args(path, EngineSettings())["skip_tokenizer_init"] is False
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).symlink_to(path / name)
    assert engine_args(tmp_path, EngineSettings())["skip_tokenizer_init"] is True
    (tmp_path / "tokenizer.json").symlink_to(path / "tokenizer.json")
    (tmp_path / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["its_own.Code", null]}}')
    assert engine_args(tmp_path, EngineSettings())["skip_tokenizer_init"] is True


@pytest.mark.parametrize("name", [name for name in TOLD if name not in ("dtype", "allow_pickle", "max_adapter_rank")])
def test_what_is_not_said_is_left_to_vllm_or_a_default_of_the_machine(checkpoint: Checkpoints, name: str) -> None:
    args = engine_args(checkpoint("qwen3"), EngineSettings(dtype="float32", context_window=512))
    ours = {"context_window": 512, "chunked_prefill": False, "engine_args": 2048, "trust_remote_code": False}
    if name == "kv_capacity":
        assert args[TOLD[name][1]] == 1024 * (8 * 512 + 8 * 128)
    else:
        assert args.get(TOLD[name][1]) == ours.get(name)


def test_ray_is_refused_by_name_where_vllm_does_not_run_it(checkpoint: Checkpoints) -> None:
    """vLLM's CPU build says "current platform cpu does not support ray" once its process has started."""
    with pytest.raises(ConfigError, match="ray cannot be used: vLLM does not run ray on cpu"):
        engine_args(checkpoint("qwen3"), EngineSettings(distributed_executor_backend="ray"))


def test_every_argument_is_one_of_vllms(checkpoint: Checkpoints) -> None:
    args = engine_args(checkpoint("qwen3"), EngineSettings(context_window=512, max_adapters=2))
    assert set(args) <= {field.name for field in dataclasses.fields(AsyncEngineArgs)}


def test_a_cpu_computes_prompts_in_one_piece_unless_told_otherwise(checkpoint: Checkpoints) -> None:
    args = engine_args(checkpoint("qwen3"), EngineSettings(context_window=4096))
    assert (args["enable_chunked_prefill"], args["max_num_batched_tokens"]) == (False, 4096)
    long = engine_args(checkpoint("qwen3"), EngineSettings(context_window=131_072))
    assert "enable_chunked_prefill" not in long


def test_a_cpu_keeps_a_place_without_an_adapter(checkpoint: Checkpoints) -> None:
    args = engine_args(checkpoint("qwen3"), EngineSettings(max_adapters=2))
    assert (args["max_loras"], args["max_cpu_loras"], args["max_lora_rank"]) == (4, 4, 16)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine_args": {"max_num_batched_token": 3}}, "did you mean max_num_batched_tokens"),
        ({"engine_args": {"no such thing": 3}}, "vLLM has no engine argument 'no such thing'"),
        ({"engine_args": {"--max-model-len": 3}}, "use --context-window"),
        ({"engine_args": {"model": "x"}}, "use MODEL"),
        ({"engine_args": {"skip_tokenizer_init": False}}, "set by duihua, which depends on it"),
        ({"device": "cuda"}, "the installed vLLM is built for cpu"),
        ({"threads": 2}, "VLLM_CPU_OMP_THREADS_BIND"),
        ({"dtype": "int8"}, "dtype 'int8' is unknown"),
        ({"max_adapters": 1, "max_adapter_rank": 1024}, "it runs ranks up to 512"),
    ],
)
def test_what_vllm_cannot_follow_is_refused_by_name(
    checkpoint: Checkpoints, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        engine_args(checkpoint("qwen3"), EngineSettings(**settings))
