from dataclasses import replace
from typing import Any

import pytest

from duihua.api.checkup import Subject
from duihua.api.fit import Fit, fit_of
from duihua.config import read_settings
from duihua.engine.installed import Probed
from duihua.engine.machine import Memory

GIB = 2**30
# GLM-4-9B-0414 as its config.json has it, 9.4 billion parameters in bfloat16
GLM4_9B = Subject(
    name="glm",
    config={"num_hidden_layers": 40, "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128},
    chat_template="own",
    context_window=32_768,
    weight_bytes=18_800_000_000,
    parameters=9_400_000_000,
)
TOKEN = 40_960  # bytes in 16 bits


def machine(*free_gib: int, engine: str, device: str, dtype: str, vllm: str | None = None) -> Probed:
    gpus = [
        {"name": "G", "capability": "9.0", "total_bytes": size * GIB, "free_bytes": size * GIB} for size in free_gib
    ]
    found: dict[str, Any] = {
        "torch": {"build": "13.0", "gpus": gpus},
        "transformers": None,
        "placement": {"engine": engine, "reason": None, "device": device, "dtype": dtype},
    }
    if vllm is not None:
        found["vllm"] = {"device": vllm, "is_cpu": vllm == "cpu"}
    return Probed(found=found)


def fit(subject: Subject, probed: Probed, *, memory_gib: int = 64, **flags: object) -> Fit:
    settings = read_settings({key.replace("__", "."): value for key, value in flags.items()}, environ={})
    found = fit_of(subject, settings, probed, Memory(total_bytes=None, available_bytes=memory_gib * GIB))
    assert found is not None
    return found


CPU = machine(engine="transformers", device="cpu", dtype="float32")


def test_a_processor_without_bfloat16_holds_the_weights_twice_as_wide() -> None:
    found = fit(GLM4_9B, CPU)
    assert found.loaded_bytes == 2 * 18_800_000_000
    assert found.kv_bytes_per_token == 2 * TOKEN
    assert found.room_bytes == 64 * GIB
    assert found.context_that_fits == (64 * GIB - 2 * 18_800_000_000) // (2 * TOKEN)
    assert not found.must_hold


def test_weights_that_main_memory_does_not_hold_are_advised_to_be_narrower() -> None:
    found = fit(GLM4_9B, CPU, memory_gib=24)
    assert found.context_that_fits == 0
    assert found.cures == ("--dtype bfloat16",)


def test_one_gpu_counts_nine_tenths_of_what_is_free() -> None:
    found = fit(GLM4_9B, machine(24, engine="vllm", device="cuda:0", dtype="bfloat16", vllm="cuda"))
    assert found.room_bytes == int(0.9 * 24 * GIB)
    assert found.context_that_fits == (int(0.9 * 24 * GIB) - 18_800_000_000) // TOKEN
    assert (found.device, found.wanted_tokens, found.must_hold) == ("cuda", 32_768, True)
    assert found.cures == ()


def test_a_share_of_the_gpu_that_was_set_is_kept_to() -> None:
    gpu = machine(24, engine="vllm", device="cuda:0", dtype="bfloat16", vllm="cuda")
    assert fit(GLM4_9B, gpu, engine__gpu_memory_share=0.5).room_bytes == 12 * GIB


def test_two_gpus_are_advised_and_then_used() -> None:
    gpus = machine(16, 16, engine="vllm", device="cuda:0", dtype="bfloat16", vllm="cuda")
    alone = fit(GLM4_9B, gpus)
    assert alone.context_that_fits == 0
    assert alone.cures[0] == "--tensor-parallel-size 2"
    together = fit(GLM4_9B, gpus, engine__tensor_parallel_size=2)
    assert together.device == "cuda x 2"
    assert together.context_that_fits == (int(0.9 * 16 * GIB) - 9_400_000_000) // (TOKEN // 2)


def test_transformers_spreads_a_model_over_all_gpus() -> None:
    found = fit(GLM4_9B, machine(12, 12, engine="transformers", device="cuda:all", dtype="bfloat16"))
    assert (found.device, found.room_bytes) == ("cuda x 2", 2 * int(0.9 * 12 * GIB))


def test_transformers_on_the_second_gpu_has_that_one_s_memory() -> None:
    found = fit(GLM4_9B, machine(12, 40, engine="transformers", device="cuda:1", dtype="bfloat16"))
    assert (found.device, found.room_bytes) == ("cuda:1", int(0.9 * 40 * GIB))


def test_vllm_for_cpus_wants_room_for_several_sequences_in_main_memory() -> None:
    found = fit(GLM4_9B, machine(engine="vllm", device="cpu", dtype="bfloat16", vllm="cpu"), model__context_window=2048)
    assert (found.device, found.wanted_tokens) == ("cpu", 8 * 2048)
    assert found.room_bytes == 64 * GIB


def test_quantising_while_loading_and_a_narrow_cache_are_counted() -> None:
    gpu = machine(24, engine="vllm", device="cuda:0", dtype="bfloat16", vllm="cuda")
    found = fit(GLM4_9B, gpu, engine__quantization="fp8", engine__kv_cache_dtype="fp8")
    assert found.loaded_bytes == 9_400_000_000
    assert (found.kv_bytes_per_token, found.kv_dtype) == (TOKEN // 2, "fp8")


def test_quantised_weights_stay_as_they_are_stored() -> None:
    found = fit(replace(GLM4_9B, quantisation="gptq", weight_bytes=6 * GIB, parameters=None), CPU)
    assert found.loaded_bytes == 6 * GIB


def test_weights_whose_parameters_are_not_counted_are_scaled_by_their_format() -> None:
    stored = replace(GLM4_9B, parameters=None)
    assert fit(stored, CPU).loaded_bytes == 2 * 18_800_000_000
    wide = replace(stored, config={**GLM4_9B.config, "dtype": "float32"})
    assert fit(wide, CPU).loaded_bytes == 18_800_000_000


def test_an_unknown_layout_is_unknown() -> None:
    found = fit(replace(GLM4_9B, config={"state_size": 16}), CPU)
    assert (found.kv_bytes_per_token, found.context_that_fits) == (None, None)


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"placement": {"engine": "vllm", "refusal": "no such device"}},
        {"placement": {"engine": "vlm", "device": "cpu", "dtype": "float32"}},
    ],
)
def test_without_a_device_nothing_is_fitted(found: dict[str, Any]) -> None:
    settings = read_settings({}, environ={})
    memory = Memory(total_bytes=GIB, available_bytes=GIB)
    assert fit_of(GLM4_9B, settings, Probed(found=found), memory) is None
