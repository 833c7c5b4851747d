"""The geometry: what it weighs, and that it is the same each time."""

from typing import Any, cast

import torch
from demo.vision.geometry import GRIDS, PATCHES, new_config, new_model

from drawn import tokenizer


def test_it_weighs_no_more_than_eleven_megabytes_in_bfloat16():
    assert 5_000_000 < sum(p.numel() for p in new_model(tokenizer()).parameters()) < 5_480_000


def test_the_same_seed_gives_the_same_weights():
    one, other = (new_model(tokenizer(), seed=3).state_dict() for _ in "ab")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_sections_of_the_rotation_fill_half_of_half_a_head():
    text = cast("Any", new_config(tokenizer())).text_config
    assert sum(text.rope_parameters["mrope_section"]) * 4 == text.hidden_size // text.num_attention_heads


def test_a_grid_is_of_whole_blocks():
    assert all(down % 2 == across % 2 == 0 and down * across <= PATCHES for down, across in GRIDS)
