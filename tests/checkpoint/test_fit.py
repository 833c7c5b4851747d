from __future__ import annotations

import os
from pathlib import Path

import pytest

from duihua.checkpoint.fit import check_digest, check_layers
from duihua.errors import AdapterRejected, ModelLoadFailed

Q = "layers.0.self_attn.q_proj"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def fits(layer: str, shape: tuple[int, ...], base: dict[str, tuple[int, ...]]) -> bool:
    try:
        check_layers("adapter", {layer: shape}, base, "base")
    except AdapterRejected as error:
        assert "was trained on another base" in str(error)
        return False
    return True


@pytest.mark.parametrize("wrapped", ["model.", "model.language_model.", "transformer.encoder.", ""])
def test_a_model_may_be_wrapped_otherwise_than_when_it_was_trained(wrapped: str) -> None:
    base = {f"{wrapped}{Q}.weight": (6, 8)}
    assert fits(f"model.{Q}", (6, 8), base)
    assert not fits(f"model.{Q}", (6, 9), base)


def test_where_two_layers_may_be_meant_one_of_them_has_to_fit() -> None:
    base = {f"model.vision_tower.{Q}.weight": (4, 4), f"model.language_model.{Q}.weight": (6, 8)}
    assert fits(f"model.{Q}", (6, 8), base)
    assert fits(f"model.{Q}", (4, 4), base)
    assert not fits(f"model.{Q}", (8, 8), base)
    assert not fits(f"model.vision_tower.{Q}", (6, 8), base)


def test_an_output_layer_may_be_tied_to_the_embeddings() -> None:
    assert fits("lm_head", (100, 8), {"model.embed_tokens.weight": (100, 8)})
    assert not fits("lm_head", (100, 8), {"lm_head.weight": (101, 8)})


def test_experts_may_be_stored_fused_or_apart() -> None:
    single, fused = "model.layers.0.mlp.experts.3.up_proj", {"model.layers.0.mlp.experts.gate_up_proj": (4, 6, 8)}
    assert fits(single, (6, 8), fused)
    assert not fits(single, (6, 8), {"model.layers.0.mlp.up_proj.weight": (6, 8)})


def test_quantised_layers_are_found_by_name() -> None:
    assert fits(f"model.{Q}", (6, 8), {f"model.{Q}.qweight": (1, 8), f"model.{Q}.scales": (1,)})


def test_a_convolution_is_compared_by_its_channels() -> None:
    assert fits("visual.patch_embed.proj", (64, 3), {"visual.patch_embed.proj.weight": (64, 3, 2, 14, 14)})


def test_a_digest_is_taken_again_when_the_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"")
    check_digest("adapter", EMPTY, file)
    file.write_bytes(b"x")
    os.utime(file, ns=(1, 1))
    with pytest.raises(AdapterRejected, match="another base"):
        check_digest("adapter", EMPTY, file)
    file.unlink()
    with pytest.raises(ModelLoadFailed, match="cannot be read"):
        check_digest("adapter", EMPTY, file)
