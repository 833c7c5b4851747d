from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoints import make_adapter
from duihua.engine.transformers.lora import read_lora
from duihua.errors import AdapterRejected

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def adapter(checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    return make_adapter(tmp_path / "mine", checkpoint("qwen2"))


def say(adapter: Path, **said: Any) -> None:
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | said), "utf-8")


def test_the_rank_is_the_highest_of_its_layers(adapter: Path) -> None:
    assert read_lora(adapter).rank == 4
    say(adapter, rank_pattern={"q_proj": 16, "v_proj": 2})
    assert read_lora(adapter).rank == 16


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"peft_type": "IA3"}, "'IA3'"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "bias='all'"),
        ({"target_parameters": ["mlp.experts.gate_up_proj"]}, "target_parameters"),
        ({"trainable_token_indices": [1, 2]}, "trainable_token_indices"),
        ({"what_comes_next_year": {"depth": 3}}, "what_comes_next_year"),
        ({"init_lora_weights": "pissa_niter_4"}, "path_initial_model_for_weight_conversion"),
        ({"r": 0}, "0 as a rank"),
        ({"r": "eight"}, "'eight' as a rank"),
        ({"rank_pattern": {"q_proj": 2.5}}, "2.5 as a rank"),
        ({"layers_pattern": "layers"}, "layers_to_transform"),
    ],
)
def test_what_is_not_run_is_refused_by_name(adapter: Path, said: Mapping[str, Any], words: str) -> None:
    say(adapter, **said)
    with pytest.raises(AdapterRejected, match=words):
        read_lora(adapter)


def test_what_asks_for_nothing_is_accepted(adapter: Path) -> None:
    say(adapter, what_comes_next_year=None, modules_to_save=[], bias="none", init_lora_weights="gaussian")
    assert len(read_lora(adapter).weights) == 2 * 2 * 4  # layers, A and B, targets


def test_a_directory_that_is_no_adapter_is_refused(adapter: Path) -> None:
    (adapter / "adapter_config.json").write_text("{", "utf-8")
    with pytest.raises(AdapterRejected, match="give the directory of a PEFT adapter"):
        read_lora(adapter)
    (adapter / "adapter_config.json").unlink()
    with pytest.raises(AdapterRejected, match="give the directory of a PEFT adapter"):
        read_lora(adapter)


def test_pickles_are_not_read(adapter: Path) -> None:
    torch.save(load_file(adapter / WEIGHTS), adapter / "adapter_model.bin")
    (adapter / WEIGHTS).unlink()
    with pytest.raises(AdapterRejected, match="pickled"):
        read_lora(adapter)


def test_weights_that_were_cut_short_are_refused(adapter: Path) -> None:
    whole = (adapter / WEIGHTS).read_bytes()
    (adapter / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AdapterRejected, match="save the adapter again"):
        read_lora(adapter)


def test_whole_weights_would_change_the_base_and_are_refused(adapter: Path) -> None:
    weights = load_file(adapter / WEIGHTS)
    save_file({**weights, "base_model.model.lm_head.base_layer.weight": torch.zeros(2, 2)}, adapter / WEIGHTS)
    with pytest.raises(AdapterRejected, match=r"lm_head\.base_layer\.weight"):
        read_lora(adapter)


def test_weights_stay_what_they_were_when_their_file_is_written_again(
    adapter: Path, checkpoint: Callable[[str], Path]
) -> None:
    lora = read_lora(adapter)
    before = {name: weight.clone() for name, weight in lora.weights.items()}
    make_adapter(adapter, checkpoint("qwen2"), seed=9)
    assert all(torch.equal(before[name], weight) for name, weight in lora.weights.items())
