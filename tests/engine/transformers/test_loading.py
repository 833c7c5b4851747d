from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.utils import logging as chatter

from checkpoints import make_adapter, make_checkpoint
from duihua.engine.settings import EngineSettings
from duihua.engine.transformers.loading import load_model
from duihua.errors import ConfigError, ModelLoadFailed, UnsupportedModel
from engine.first_glm4v import make_first_glm4v

Checkpoints = Callable[[str], Path]


@pytest.fixture
def copy(checkpoint: Checkpoints, tmp_path: Path) -> Path:
    """A checkpoint that may be broken."""
    return shutil.copytree(checkpoint("glm4"), tmp_path / "copy")


def edit_config(path: Path, **changes: Any) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **changes}))


def load(path: Path, **settings: Any) -> Any:
    return load_model(path, EngineSettings(device="cpu", **settings))


@pytest.mark.parametrize(("dtype", "expected"), [("bfloat16", torch.bfloat16), ("float32", torch.float32)])
def test_a_model_comes_in_the_dtype_asked_for_ready_to_compute(
    checkpoint: Checkpoints, dtype: str, expected: torch.dtype
) -> None:
    loaded = load(checkpoint("qwen3"), dtype=dtype)
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {expected}
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert not loaded.model.training
    assert loaded.context_window == 512


def test_a_model_that_also_sees_is_loaded_for_text(checkpoint: Checkpoints) -> None:
    assert type(load(checkpoint("glm4v")).model).__name__ == "Glm4vForConditionalGeneration"


def test_progress_is_reported_and_nothing_is_printed(
    checkpoint: Checkpoints, capfd: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint("glm4")
    capfd.readouterr()
    told: list[tuple[str, float]] = []
    before = chatter.get_verbosity(), chatter.is_progress_bar_enabled()
    load_model(path, EngineSettings(device="cpu"), lambda stage, part: told.append((stage, part)))
    assert capfd.readouterr() == ("", "")
    weights = [part for stage, part in told if stage == "weights"]
    assert len(weights) > 5
    assert weights == sorted(weights)
    assert weights[-1] == 1.0
    assert (chatter.get_verbosity(), chatter.is_progress_bar_enabled()) == before


def test_a_window_may_be_smaller_but_not_larger_than_the_models(checkpoint: Checkpoints) -> None:
    assert load(checkpoint("glm4"), context_window=100).context_window == 100
    with pytest.raises(ConfigError, match="512"):
        load(checkpoint("glm4"), context_window=513)


def test_a_window_that_yarn_stretches_is_the_models(tmp_path: Path) -> None:
    rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512, "rope_theta": 10000.0}
    path = make_checkpoint(tmp_path / "model", "qwen2", rope_parameters=rope)
    assert load(path).context_window == 2048
    assert load(path, context_window=2048).context_window == 2048
    with pytest.raises(ConfigError, match="it takes 2048 tokens"):
        load(path, context_window=2049)


@pytest.mark.parametrize("setting", ["context_window", "max_sequences", "kv_capacity"])
def test_settings_that_cannot_be_are_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        EngineSettings(**{setting: 0})  # pyright: ignore[reportArgumentType]


def test_a_missing_shard_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    path = make_checkpoint(tmp_path, "glm4", max_shard_size="200KB")
    shards = sorted(path.glob("*.safetensors"))
    assert len(shards) > 1
    assert load(path).context_window == 512
    shards[1].unlink()
    with pytest.raises(ModelLoadFailed, match=shards[1].name):
        load(path)


def test_weights_that_are_cut_off_are_told(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelLoadFailed, match="cannot be loaded"):
        load(copy)


def test_weights_of_another_model_are_told(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelLoadFailed, match=r"lacks 1 weights .*model\.norm\.weight"):
        load(copy)
    edit_config(copy, vocab_size=400)
    with pytest.raises(ModelLoadFailed):
        load(copy)


def test_an_unknown_architecture_is_told(copy: Path) -> None:
    edit_config(copy, model_type="perceptron")
    with pytest.raises(UnsupportedModel, match="'perceptron' is not known"):
        load(copy)


def test_an_architecture_without_text_is_told(copy: Path) -> None:
    edit_config(copy, model_type="vit")
    with pytest.raises(UnsupportedModel, match="'vit' does not generate text"):
        load(copy)


def test_a_checkpoints_own_code_runs_only_when_allowed(copy: Path) -> None:
    edit_config(
        copy, model_type="chatglm", auto_map={"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    )
    (copy / "code.py").write_text(
        f"import pathlib\npathlib.Path({str(copy / 'ran')!r}).touch()\nraise ImportError('stop')\n"
    )
    with pytest.raises(UnsupportedModel, match="allow remote code"):
        load(copy)
    assert not (copy / "ran").exists()


def test_a_quantised_checkpoint_is_refused_before_anything_is_loaded(copy: Path) -> None:
    edit_config(copy, quantization_config={"quant_method": "crystal"})
    (copy / "model.safetensors").unlink()
    with pytest.raises(UnsupportedModel, match="crystal"):
        load(copy)


def test_pickled_weights_load_only_when_allowed(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    torch.save(tensors, copy / "pytorch_model.bin")
    with pytest.raises(UnsupportedModel, match="pickle"):
        load(copy)
    assert load(copy, allow_pickle=True).context_window == 512


def test_an_adapter_among_the_model_s_files_is_refused(copy: Path) -> None:
    """Transformers would join the two unasked, and the model without an adapter would have one."""
    make_adapter(copy, copy)
    with pytest.raises(UnsupportedModel, match=r"adapter_config\.json"):
        load(copy)


def test_a_model_that_sees_with_code_of_its_own_is_refused_and_its_twin_named(tmp_path: Path) -> None:
    make_first_glm4v(tmp_path / "glm-4v-9b")
    with pytest.raises(UnsupportedModel, match=r"use zai-org/GLM-4.1V-9B-Thinking, or --engine vllm"):
        load_model(tmp_path / "glm-4v-9b", EngineSettings(trust_remote_code=True))
