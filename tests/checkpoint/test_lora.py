from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from checkpoint.adapter_layouts import LAYER, PAIR, PREFIX
from duihua.checkpoint.lora import LoraTensors, pair_tensors, written
from duihua.errors import AdapterRejected

Shapes = dict[str, tuple[int, ...]]
A, B = f"{PREFIX}{LAYER}.lora_A.weight", f"{PREFIX}{LAYER}.lora_B.weight"


def paired(shapes: Shapes, **config: Any) -> LoraTensors:
    return pair_tensors(shapes, config, Path("adapter_model.safetensors"))


def test_a_pair_tells_the_shape_of_the_layer_it_changes() -> None:
    tensors = paired({**PAIR})
    assert tensors.layers == {LAYER: (6, 8)}
    assert tensors.targets == ("q_proj",)
    assert tensors.ranks == {4}
    assert tensors.whole == {}


def test_embeddings_and_turned_layers_have_their_inputs_first() -> None:
    embedding = {f"{PREFIX}model.embed_tokens.lora_embedding_{end}": s for end, s in (("A", (4, 100)), ("B", (8, 4)))}
    assert paired(embedding).layers == {"model.embed_tokens": (100, 8)}
    assert paired({**PAIR}, fan_in_fan_out=True).layers == {LAYER: (8, 6)}


def test_layers_may_have_ranks_of_their_own() -> None:
    more = {name.replace("q_proj", "k_proj"): tuple(9 if n == 4 else n for n in s) for name, s in PAIR.items()}
    assert paired({**PAIR, **more}).ranks == {4, 9}


@pytest.mark.parametrize("lost", [A, B])
def test_half_a_pair_is_named(lost: str) -> None:
    kept = {name: shape for name, shape in PAIR.items() if name != lost}
    other = lost.removeprefix(f"{PREFIX}{LAYER}.")
    with pytest.raises(AdapterRejected, match=rf"{LAYER}\.lora_\w\.weight without its {other}"):
        paired(kept)


@pytest.mark.parametrize(
    "shapes", [{A: (4, 8), B: (6, 5)}, {A: (4,), B: (4,)}, {A: (0, 8), B: (6, 0)}, {A: (4, 8), B: (6, 4, 1, 1)}]
)
def test_a_misshapen_pair_is_named(shapes: Shapes) -> None:
    with pytest.raises(AdapterRejected, match=rf"tensors of {LAYER} that make no pair"):
        paired(shapes)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (f"{PREFIX}{LAYER}.lora_A.default.weight", "is no part of a LoRA layer"),
        (f"{PREFIX}model.embed_tokens.weight", r"save_embedding_layers=False"),
        (f"{LAYER}.lora_A.weight", "each name begins with 'base_model.model.'"),
        (f"{PREFIX}lm_head.weight", r"lm_head\.weight that is no part"),
    ],
)
def test_a_foreign_tensor_is_named(name: str, why: str) -> None:
    with pytest.raises(AdapterRejected, match=why):
        paired({**PAIR, name: (4, 4)}, modules_to_save=["score"])


def test_what_is_saved_whole_must_have_been_announced() -> None:
    head = {f"{PREFIX}lm_head.weight": (100, 8)}
    assert paired({**PAIR, **head}, modules_to_save=["lm_head"]).whole == {"lm_head": (100, 8)}


def test_trained_tokens_and_the_frozen_layer_under_a_pair_are_known() -> None:
    token = {f"{PREFIX}model.embed_tokens.token_adapter.trainable_tokens_delta": (2, 8)}
    assert paired({**PAIR, **token}, trainable_token_indices=[1, 2]).whole == {}
    with pytest.raises(AdapterRejected, match="trainable_tokens_delta"):
        paired({**PAIR, **token})
    frozen = {f"{PREFIX}{LAYER}.base_layer.weight": (6, 8)}
    assert paired({**PAIR, **frozen}).whole == {LAYER: (6, 8)}


def test_vectors_of_dora_belong_to_dora() -> None:
    vector = {f"{PREFIX}{LAYER}.lora_magnitude_vector": (6,)}
    assert paired({**PAIR, **vector}, use_dora=True).layers == {LAYER: (6, 8)}
    with pytest.raises(AdapterRejected, match=r"use_dora=True, .*has none"):
        paired({**PAIR}, use_dora=True)
    with pytest.raises(AdapterRejected, match=r"use_dora=False, .*has one"):
        paired({**PAIR, **vector})
    with pytest.raises(AdapterRejected, match=r"of shape 5, and the layer has 6 outputs"):
        paired({**PAIR, f"{PREFIX}{LAYER}.lora_magnitude_vector": (5,)}, use_dora=True)


def test_fused_experts_have_pairs_of_shapes_of_their_own() -> None:
    experts = "model.layers.0.mlp.experts"
    fused = {
        f"{PREFIX}{experts}.base_layer.lora_A.weight": (32, 8),
        f"{PREFIX}{experts}.base_layer.lora_B.weight": (12, 32),
    }
    tensors = paired({**PAIR, **fused}, target_parameters=["mlp.experts.gate_up_proj"])
    assert tensors.layers == {LAYER: (6, 8)}
    assert tensors.targets == ("experts", "q_proj")
    assert tensors.ranks == {4}


def test_no_layer_at_all_is_no_adapter() -> None:
    with pytest.raises(AdapterRejected, match="holds no LoRA layer"):
        paired({})


def test_shapes_are_written_for_people() -> None:
    assert [written(shape) for shape in ((6, 8), (6,), ())] == ["6 x 8", "6", "a number"]
