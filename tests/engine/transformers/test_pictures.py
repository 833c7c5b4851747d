"""Patches and features are kept within bounds, and made again where they were dropped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from duihua.engine.transformers.pictures import Features, Pictures
from duihua.engine.transformers.processor import Patches, Processor
from duihua.image import Image
from engine.picture_contract import drawn

CATS = [drawn(56, 56, seed) for seed in range(5)]
BYTES = 16 * 3 * 2 * 14 * 14 * 4  # of one's patches, and of its features here


class _Counting(Processor):
    cut: list[Image]

    def patches(self, image: Image) -> Patches:
        self.cut.append(image)
        return super().patches(image)


class _Tower:
    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, patches: Patches) -> Features:
        self.runs += 1
        return (torch.full_like(patches.values, self.runs),)


@pytest.fixture
def processor(checkpoint: Callable[[str], Path]) -> _Counting:
    counting = _Counting.load(checkpoint("glm4v"))
    assert counting is not None
    counting.cut = []
    return counting


@pytest.fixture
def pictures(processor: _Counting) -> Pictures:
    return Pictures(processor, patches_bytes=3 * BYTES, features_bytes=3 * BYTES)


def test_a_picture_is_cut_up_and_seen_once(pictures: Pictures, processor: _Counting) -> None:
    tower = _Tower()
    for _ in range(3):
        assert pictures.prepare(CATS[0]) == ((1, 4, 4), 4)
        assert pictures.features(CATS[0], 0, tower)[0][0, 0] == 1
    assert (len(processor.cut), tower.runs) == (1, 1)


def test_patches_that_were_dropped_while_they_waited_are_made_again(pictures: Pictures, processor: _Counting) -> None:
    for cat in CATS:
        pictures.prepare(cat)
    assert processor.cut == CATS
    tower = _Tower()
    for cat in CATS:
        pictures.features(cat, 0, tower)
    assert processor.cut == [*CATS, *CATS[:2]]


def test_what_was_seen_longest_ago_goes_first(pictures: Pictures, processor: _Counting) -> None:
    tower = _Tower()
    for cat in (*CATS[:3], CATS[0], CATS[3]):
        pictures.features(cat, 0, tower)
    runs = tower.runs
    pictures.features(CATS[0], 0, tower)
    assert tower.runs == runs == 4
    pictures.features(CATS[1], 0, tower)
    assert tower.runs == 5


def test_a_picture_beyond_all_bounds_is_kept_while_it_is_the_last(processor: _Counting) -> None:
    small, tower = Pictures(processor, patches_bytes=1, features_bytes=1), _Tower()
    for _ in range(2):
        small.features(CATS[0], 0, tower)
    assert tower.runs == 1


def test_each_adapter_sees_for_itself_until_it_is_gone(pictures: Pictures) -> None:
    tower = _Tower()
    base, adapted = pictures.features(CATS[0], 0, tower), pictures.features(CATS[0], 5, tower)
    assert base[0][0, 0] != adapted[0][0, 0]
    pictures.forget(5)
    assert pictures.features(CATS[0], 0, tower) is base
    assert pictures.features(CATS[0], 5, tower) is not adapted
