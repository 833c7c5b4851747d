"""The adapter: trained on a frozen base, loaded by peft, small, and bound to its base."""

import hashlib
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from demo.corpus import Bucket
from demo.lora import RANK, TARGETS, adapter_card, merged, read_base_sha256, train_adapter
from demo.train import TrainSettings, train
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import Glm4Config, Glm4ForCausalLM

BUNDLED = Path(__file__).parents[2] / "src/duihua/checkpoint/bundled/demo"
# peft still asks transformers for it by its old name.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
SETTINGS = TrainSettings(steps=30, tokens_per_step=256, peak_rate=2e-2, warmup=2, compiled=False)
WEIGHTS = "adapter_model.safetensors"


def small_corpus(width: int = 16) -> dict[int, Bucket]:
    """Rows that count on from a number; the second half of each is learnt."""
    ids = (np.arange(64)[:, None] + np.arange(width)[None, :]).astype(np.uint16) % 90
    learnt = np.broadcast_to(np.arange(width) >= width // 2, ids.shape).copy()
    return {width: Bucket(ids, learnt)}


def loss_of(model: Any) -> float:
    bucket = small_corpus()[16]
    ids, learnt = torch.from_numpy(bucket.ids.astype("int64")), torch.from_numpy(bucket.learnt)
    with torch.no_grad():
        logits = model.eval()(ids).logits[:, :-1].float()
    return torch.nn.functional.cross_entropy(logits[learnt[:, 1:]], ids[:, 1:][learnt[:, 1:]]).item()


def logits_of(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(torch.arange(12)[None]).logits


def load(folder: Path) -> Any:
    return cast("Any", Glm4ForCausalLM).from_pretrained(folder, dtype=torch.float32)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = Glm4Config(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=[1],
        attention_bias=True,
        initializer_range=0.2,  # the frozen head of a smaller one could tell hardly any token from another
    )
    folder = tmp_path_factory.mktemp("base")
    cast("Any", Glm4ForCausalLM(config)).to(torch.bfloat16).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "demo-pirate"
    train_adapter(base, small_corpus(), folder, SETTINGS, "cpu")
    return folder


def test_the_adapter_is_in_the_format_of_peft(adapter: Path):
    assert {path.name for path in adapter.iterdir()} == {"adapter_config.json", WEIGHTS}
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA"
    assert config["task_type"] == "CAUSAL_LM"
    assert config["base_model_name_or_path"] == "demo"
    assert config["r"] == RANK <= 8
    assert config["lora_dropout"] == 0
    assert config["inference_mode"] is True
    assert config["target_modules"] == sorted(config["target_modules"])


def test_it_loads_over_its_base_and_changes_what_it_says(base: Path, adapter: Path):
    plain = logits_of(load(base))
    voiced = logits_of(cast("Any", PeftModel).from_pretrained(load(base), adapter))
    assert not torch.allclose(plain, voiced, atol=1e-2)
    assert torch.allclose(logits_of(merged(base, adapter)), voiced, atol=1e-4)


def test_the_base_is_unchanged_once_it_is_unloaded(base: Path, adapter: Path):
    plain = load(base)
    before = {name: weight.clone() for name, weight in plain.state_dict().items()}
    back = cast("Any", PeftModel).from_pretrained(plain, adapter).unload()
    assert back.state_dict().keys() == before.keys()
    assert all(torch.equal(weight, before[name]) for name, weight in back.state_dict().items())


def test_training_learns_the_learnt_places(base: Path, adapter: Path):
    assert loss_of(merged(base, adapter)) < 0.8 * loss_of(load(base))


def test_only_what_requires_gradients_is_trained(base: Path):
    model = load(base)
    model.requires_grad_(requires_grad=False)
    model.model.layers[0].mlp.down_proj.weight.requires_grad_()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    train(model, small_corpus(), TrainSettings(steps=2, tokens_per_step=64, compiled=False), "cpu")
    changed = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed == {"model.layers.0.mlp.down_proj.weight"}


def test_the_same_seed_gives_the_same_adapter(base: Path, adapter: Path, tmp_path: Path):
    train_adapter(base, small_corpus(), tmp_path, SETTINGS, "cpu")
    first, second = load_file(adapter / WEIGHTS), load_file(tmp_path / WEIGHTS)
    assert all(torch.allclose(first[name], second[name], atol=1e-2) for name in first)
    assert (tmp_path / "adapter_config.json").read_text() == (adapter / "adapter_config.json").read_text()


def test_it_names_the_base_it_was_trained_on(base: Path, adapter: Path):
    digest = hashlib.sha256((base / "model.safetensors").read_bytes()).hexdigest()
    assert read_base_sha256(adapter) == digest
    with cast("Any", safe_open)(adapter / WEIGHTS, "pt") as file:
        assert file.metadata() == {"format": "pt", "base_sha256": digest}


def test_another_base_is_refused(adapter: Path):
    with pytest.raises(ValueError, match="was trained on a base with SHA-256"):
        merged(BUNDLED, adapter)


def test_the_adapter_of_the_real_demo_stays_small(tmp_path: Path):
    corpus = small_corpus()
    train_adapter(BUNDLED, corpus, tmp_path, TrainSettings(steps=1, tokens_per_step=32, compiled=False), "cpu")
    weights = load_file(tmp_path / WEIGHTS)
    assert len(weights) == 6 * len(TARGETS) * 2
    assert all(min(weight.shape) == RANK for weight in weights.values())
    assert (tmp_path / WEIGHTS).stat().st_size <= 1_000_000


def test_the_card_says_what_it_is_for():
    card = adapter_card("| skill | share |", "0a1b")
    assert card.startswith("---\n")
    for line in ("license: apache-2.0", "base_model: demo", "library_name: peft", "| skill | share |", "base_sha256"):
        assert line in card
    assert "`0a1b`" in card
    assert "0a1b" not in adapter_card("")
