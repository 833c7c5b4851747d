"""Where pictures are in a stretch of a prompt, and the positions of its tokens."""

from __future__ import annotations

from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as some

from duihua.engine.transformers.sight import Sight
from duihua.image import Image

CAT, DOG = Image(b"cat", 4, 3), Image(b"dog", 4, 3)
PLACES = ((2, 8), (9, 15))
LENGTH = 20
SIGHT = Sight((CAT, DOG), PLACES, torch.arange(3 * LENGTH).reshape(3, LENGTH), shift=-7)


@given(some.lists(some.integers(1, LENGTH + 9), max_size=6))
def test_stretches_hold_every_token_of_every_picture_once(cuts: list[int]) -> None:
    borders = sorted({0, LENGTH, *(cut for cut in cuts if cut < LENGTH)})
    found: list[tuple[Image, int, int]] = []
    for start, stop in pairwise(borders):
        for glimpse in SIGHT.within(start, stop):
            first = dict(zip(SIGHT.images, PLACES, strict=True))[glimpse.image][0]
            for offset, row in enumerate(range(glimpse.start, glimpse.stop)):
                assert start + glimpse.place.start + offset == first + row
                found.append((glimpse.image, first, row))
    assert found == [(image, start, row) for image, (start, stop) in zip((CAT, DOG), PLACES, strict=True)
                     for row in range(stop - start)]  # fmt: skip


@given(some.integers(0, LENGTH + 9), some.integers(1, LENGTH))
def test_positions_go_on_after_the_prompt_by_its_shift(start: int, count: int) -> None:
    positions = SIGHT.positions_of(start, start + count)
    assert positions.shape == (3, 1, count)
    for offset in range(count):
        index = start + offset
        expected = SIGHT.positions[:, index].tolist() if index < LENGTH else [index - 7] * 3
        assert positions[:, 0, offset].tolist() == expected
