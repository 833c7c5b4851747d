from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from checkpoints import make_adapter, make_checkpoint
from duihua.engine.protocol import Engine
from duihua.engine.settings import EngineSettings
from duihua.engine.transformers.engine import TransformersEngine
from duihua.engine.transformers.merge import merge
from duihua.errors import AdapterRejected, ConfigError, ModelLoadFailed, UnsupportedModel
from engine.contract import LONG, PROMPT, answer, play_alone, request

Checkpoints = Callable[[str], Path]
FLOAT32 = EngineSettings(device="cpu", dtype="float32")


def answers(path: Path, adapter: Path | None = None) -> list[list[int]]:
    spoken: list[list[int]] = []

    async def scenario(engine: Engine) -> None:
        if adapter is not None:
            await engine.load_adapter("voice", adapter)
        for prompt in (PROMPT, LONG):
            asked = request(prompt, adapter=None if adapter is None else "voice", max_tokens=30)
            spoken.append(await answer(engine, asked))

    play_alone(lambda: TransformersEngine.load(path, FLOAT32), scenario)
    return spoken


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("glm4", {"targets": ("q_proj", "gate_up_proj", "lm_head")}),
        ("qwen3", {"use_rslora": True}),
        ("qwen2", {"rank_pattern": {"q_proj": 4}, "alpha_pattern": {r"layers\.1\.self_attn\.v_proj": 3}}),
        ("glm4v", {}),
    ],
)
def test_the_merged_checkpoint_answers_as_the_base_under_the_adapter(
    checkpoint: Checkpoints, tmp_path: Path, kind: str, said: dict[str, Any]
) -> None:
    base = checkpoint(kind)
    adapter = make_adapter(tmp_path / "voice", base, **said)
    merge(base, adapter, tmp_path / "out")
    assert answers(tmp_path / "out") == answers(base, adapter) != answers(base)


def listing(path: Path) -> set[Path]:
    return {file.relative_to(path) for file in path.rglob("*") if file.is_file()}


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    return make_checkpoint(tmp_path / "base", "glm4", max_shard_size="300KB")


@pytest.fixture
def voice(checkpoint: Checkpoints, tmp_path: Path) -> Path:
    return make_adapter(tmp_path / "voice", checkpoint("glm4"))


def test_all_else_of_the_base_is_copied_and_nothing_of_the_adapter(
    checkpoint: Checkpoints, sharded: Path, voice: Path, tmp_path: Path
) -> None:
    (sharded / "code").mkdir()
    (sharded / "code" / "modeling.py").write_text("x = 1", "utf-8")
    (sharded / "linked.json").symlink_to(sharded / "config.json")
    kept = listing(sharded)
    for stale in ("pytorch_model.bin", "model.gguf", "adapter_config.json", ".gitattributes"):
        (sharded / stale).write_text("old", "utf-8")
    out = tmp_path / "out"
    out.mkdir()
    fractions: list[float] = []
    merge(sharded, voice, out, lambda _, fraction: fractions.append(fraction))
    assert listing(out) == kept
    assert all(
        (out / name).read_bytes() == (sharded / name).read_bytes() for name in kept if ".safetens" not in name.suffix
    )
    assert not (out / "linked.json").is_symlink()
    shards = len(list(sharded.glob("*.safetensors")))
    assert shards > 1
    assert fractions == [(i + 1) / shards for i in range(shards)]
    assert {path.name for path in tmp_path.iterdir()} == {"base", "voice", "out"}
    assert answers(out) == answers(checkpoint("glm4"), voice)


def test_sums_are_made_in_float32_and_kept_in_the_base_s_dtype(
    checkpoint: Checkpoints, voice: Path, tmp_path: Path
) -> None:
    base = tmp_path / "half"
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(checkpoint("glm4"), dtype=torch.bfloat16)
    model.save_pretrained(base)
    merge(base, voice, tmp_path / "out")
    stored, merged = (load_file(path / "model.safetensors") for path in (base, tmp_path / "out"))
    lora = load_file(voice / "adapter_model.safetensors")
    for name, weight in stored.items():
        layer = f"base_model.model.{name.removesuffix('.weight')}"
        expected = weight
        if f"{layer}.lora_A.weight" in lora:
            delta = lora[f"{layer}.lora_B.weight"] @ lora[f"{layer}.lora_A.weight"] * 2
            expected = (weight.float() + delta).bfloat16()
            assert not torch.equal(expected, weight)
        assert torch.equal(merged[name], expected)


def test_names_that_begin_otherwise_in_the_files_are_found(
    checkpoint: Checkpoints, voice: Path, tmp_path: Path
) -> None:
    """An adapter that was trained when the model's layers had another parent."""
    renamed = make_adapter(tmp_path / "renamed", checkpoint("glm4"))
    weights = load_file(renamed / "adapter_model.safetensors")
    moved = {name.replace(".model.layers", ".model.language_model.layers"): value for name, value in weights.items()}
    save_file(moved, renamed / "adapter_model.safetensors")
    for adapter in (voice, renamed):
        merge(checkpoint("glm4"), adapter, tmp_path / f"of {adapter.name}")
    merged = [(tmp_path / f"of {name}" / "model.safetensors").read_bytes() for name in ("voice", "renamed")]
    assert merged[0] == merged[1]


def test_a_place_that_is_taken_is_refused_and_left_alone(checkpoint: Checkpoints, voice: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine", "utf-8")
    for taken in (tmp_path / "out", tmp_path / "out" / "mine.txt"):
        with pytest.raises(ConfigError, match="not empty"):
            merge(checkpoint("glm4"), voice, taken)
    assert listing(tmp_path / "out") == {Path("mine.txt")}


def test_what_cannot_be_merged_is_refused_and_nothing_is_written(
    checkpoint: Checkpoints, voice: Path, tmp_path: Path
) -> None:
    quantised = make_checkpoint(tmp_path / "quantised", "glm4")
    config = json.loads((quantised / "config.json").read_text("utf-8"))
    (quantised / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "fp8"}}))
    broken = make_checkpoint(tmp_path / "broken", "glm4")
    (broken / "model.safetensors").write_bytes((broken / "model.safetensors").read_bytes()[:5000])
    foreign = make_adapter(tmp_path / "foreign", checkpoint("qwen2"), targets=("gate_proj",))
    bent = make_adapter(
        tmp_path / "bent", make_checkpoint(tmp_path / "wide", "glm4", intermediate_size=320), targets=("down_proj",)
    )
    embedding = make_adapter(tmp_path / "embedding", checkpoint("glm4"), targets=("embed_tokens",), fan_in_fan_out=True)
    before = listing(tmp_path)
    for base, adapter, error, words in (
        (quantised, voice, UnsupportedModel, "quantised"),
        (broken, voice, ModelLoadFailed, "download it again"),
        (checkpoint("glm4"), foreign, AdapterRejected, "has no model.layers.0.mlp.gate_proj"),
        (checkpoint("glm4"), bent, AdapterRejected, "size mismatch"),
        (checkpoint("glm4"), embedding, AdapterRejected, "fan_in_fan_out"),
    ):
        with pytest.raises(error, match=words):
            merge(base, adapter, tmp_path / "out")
        assert listing(tmp_path) == before
        assert not (tmp_path / "out").exists()


def test_an_interruption_leaves_nothing_half(sharded: Path, voice: Path, tmp_path: Path) -> None:
    def interrupt(_: str, fraction: float) -> None:
        if fraction > 0.5:
            raise KeyboardInterrupt

    before = set(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        merge(sharded, voice, tmp_path / "out", interrupt)
    assert set(tmp_path.iterdir()) == before


def test_a_full_disk_leaves_nothing_half(checkpoint: Checkpoints, voice: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (checkpoint("glm4") / "model.safetensors").stat().st_size
    before = set(tmp_path.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limits[1]))
    try:
        with pytest.raises(ConfigError, match="cannot be written"):
            merge(checkpoint("glm4"), voice, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert set(tmp_path.iterdir()) == before
