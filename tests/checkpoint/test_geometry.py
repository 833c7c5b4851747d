from pathlib import Path
from typing import Any

import pytest

from checkpoint.layouts import write_json, write_weights
from duihua.checkpoint.geometry import kv_bytes_per_token, kv_layout, parameter_count, weight_bytes
from duihua.errors import ModelLoadFailed

# The sizes that the published config.json files state; the numbers beside them are worked out by hand:
# 2 (key and value) x layers x KV heads x head width x 2 bytes, or layers x (latent + rotary part) x 2 bytes.
CONFIGS: dict[str, tuple[dict[str, Any], int]] = {
    # https://huggingface.co/zai-org/GLM-4-9B-0414: 2 x 40 x 2 x 128 x 2
    "glm4": (
        {"num_hidden_layers": 40, "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "hidden_size": 4096},
        40_960,
    ),
    # https://huggingface.co/zai-org/GLM-4.5: 2 x 92 x 8 x 128 x 2; head_dim is not hidden_size / heads
    "glm4.5": (
        {"num_hidden_layers": 92, "num_attention_heads": 96, "num_key_value_heads": 8, "head_dim": 128, "hidden_size": 5120, "num_nextn_predict_layers": 1},
        376_832,
    ),
    # https://huggingface.co/Qwen/Qwen2.5-7B-Instruct: 2 x 28 x 4 x (3584 / 28 = 128) x 2; its sliding window is off
    "qwen2": (
        {"num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4, "hidden_size": 3584, "sliding_window": 131072, "use_sliding_window": False, "max_window_layers": 28},
        57_344,
    ),
    # https://huggingface.co/Qwen/Qwen3-8B: 2 x 36 x 8 x 128 x 2
    "qwen3": (
        {"num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "hidden_size": 4096, "sliding_window": None, "use_sliding_window": False},
        147_456,
    ),
    # https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct: 2 x 32 x 8 x 128 x 2
    "llama": (
        {"num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 4096},
        131_072,
    ),
    # https://huggingface.co/deepseek-ai/DeepSeek-V3: 61 x (512 + 64) x 2
    "deepseek": (
        {"num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "hidden_size": 7168, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128, "num_nextn_predict_layers": 1},
        70_272,
    ),
    # https://huggingface.co/zai-org/glm-4-9b-chat, first published layout: 2 x 40 x 2 x 128 x 2
    "chatglm": (
        {"num_layers": 40, "num_attention_heads": 32, "multi_query_attention": True, "multi_query_group_num": 2, "kv_channels": 128, "hidden_size": 4096},
        40_960,
    ),
    # https://huggingface.co/Qwen/Qwen-7B-Chat: no groups; 2 x 32 x 32 x 128 x 2
    "first qwen": (
        {"num_hidden_layers": 32, "num_attention_heads": 32, "kv_channels": 128, "hidden_size": 4096},
        524_288,
    ),
    # https://huggingface.co/Qwen/Qwen3-Next-80B-A3B-Instruct: every fourth of 48 layers attends; 2 x 12 x 2 x 256 x 2
    "qwen3 next": (
        {"num_hidden_layers": 48, "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 256, "hidden_size": 2048, "full_attention_interval": 4, "linear_num_key_heads": 16, "linear_key_head_dim": 128},
        24_576,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_a_token_of_context_costs_what_the_layout_says(name: str) -> None:
    config, in_sixteen_bits = CONFIGS[name]
    assert kv_bytes_per_token(config, bytes_per_value=2) == in_sixteen_bits
    assert kv_bytes_per_token(config, bytes_per_value=4) == 2 * in_sixteen_bits


def test_a_model_that_also_sees_is_measured_by_its_language_part() -> None:
    text, expected = CONFIGS["glm4"]
    config = {"model_type": "glm4v", "vision_config": {"num_hidden_layers": 24}, "text_config": text}
    assert kv_bytes_per_token(config, bytes_per_value=2) == expected


def test_null_heads_of_keys_mean_as_many_as_of_queries() -> None:
    config = CONFIGS["llama"][0] | {"num_key_value_heads": None}
    assert kv_bytes_per_token(config, bytes_per_value=2) == 2 * 32 * 32 * 128 * 2


@pytest.mark.parametrize(
    "change",
    [
        {"num_hidden_layers": None},
        {"num_hidden_layers": "many"},
        {"num_hidden_layers": True},
        {"num_key_value_heads": [8, 4]},
        {"hidden_size": 4095},  # no whole width of a head
        {"v_head_dim": 64},  # values narrower than keys
        {"mamba_d_state": 16},
        {"num_kv_shared_layers": 10},
        {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "index_topk": 2048},
        {"kv_lora_rank": 512},
        {"linear_num_key_heads": 16},  # recurrent layers, and nothing says which
        {"layer_types": ["full_attention"] * 31},
        {"layer_types": ["full_attention"] * 31 + ["something_new"]},
        {"layer_types": [["full_attention"]] * 32},
        {"is_encoder_decoder": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_unknown_layout_is_not_guessed(change: dict[str, Any]) -> None:
    assert kv_bytes_per_token(CONFIGS["llama"][0] | change, bytes_per_value=2) is None


def test_heads_of_keys_that_nobody_states_are_not_guessed() -> None:
    config = dict(CONFIGS["llama"][0])
    del config["num_key_value_heads"]
    assert kv_layout(config) is None
    assert kv_layout({}) is None


def test_sliding_layers_stop_growing_at_their_window() -> None:
    kinds = (["sliding_attention"] * 3 + ["full_attention"]) * 2
    config = {"num_hidden_layers": 8, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "layer_types": kinds, "sliding_window": 1000}  # fmt: skip
    layout = kv_layout(config)
    assert layout is not None
    assert (layout.whole_layers, layout.sliding_layers, layout.sliding_window) == (2, 6, 1000)
    row = 2 * 2 * 64 * 2
    assert layout.bytes_of(1, bytes_per_value=2) == 8 * row == kv_bytes_per_token(config, bytes_per_value=2)
    assert layout.bytes_of(5000, bytes_per_value=2) == (2 * 5000 + 6 * 1000) * row


@pytest.mark.parametrize(
    ("switch", "window"),
    [({}, 4096), ({"use_sliding_window": True}, 4096), ({"use_sliding_window": False}, None), ({"max_window_layers": 28}, None)],
)  # fmt: skip
def test_a_window_without_a_list_of_layers_is_told_and_saves_nothing(
    switch: dict[str, Any], window: int | None
) -> None:
    layout = kv_layout(CONFIGS["llama"][0] | {"sliding_window": 4096} | switch)
    assert layout is not None
    assert layout.sliding_window == window
    assert (layout.whole_layers, layout.sliding_layers) == (32, 0)


def test_a_latent_is_not_parted_between_gpus() -> None:
    heads = {name: layout.heads for name, (config, _) in CONFIGS.items() if (layout := kv_layout(config))}
    assert (heads["deepseek"], heads["llama"], heads["glm4"]) == (1, 8, 2)


def test_one_weight_file_is_measured_and_counted(tmp_path: Path) -> None:
    write_weights(tmp_path / "model.safetensors", {"a": 8, "b": 3})
    (tmp_path / "training_args.bin").write_bytes(b"x" * 1000)
    assert weight_bytes(tmp_path) == (tmp_path / "model.safetensors").stat().st_size
    assert parameter_count(tmp_path) == 11


def test_only_the_shards_of_the_index_count(tmp_path: Path) -> None:
    for name, numbers in (("one", 5), ("two", 7), ("stray", 100)):
        write_weights(tmp_path / f"{name}.safetensors", {name: numbers})
    weight_map = {"one": "one.safetensors", "two": "two.safetensors"}
    write_json(tmp_path / "model.safetensors.index.json", {"weight_map": weight_map})
    assert weight_bytes(tmp_path) == sum((tmp_path / name).stat().st_size for name in weight_map.values())
    assert parameter_count(tmp_path) == 12
    (tmp_path / "two.safetensors").unlink()
    with pytest.raises(ModelLoadFailed, match=r"two\.safetensors"):
        weight_bytes(tmp_path)


def test_pickled_weights_are_measured_but_not_opened(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"12345")
    assert weight_bytes(tmp_path) == 5
    assert parameter_count(tmp_path) is None


def test_no_weights_and_broken_ones_are_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadFailed, match="has no weights"):
        weight_bytes(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not a header")
    with pytest.raises(ModelLoadFailed, match="broken header"):
        parameter_count(tmp_path)
