"""Patches: byte for byte what transformers' processor makes of the same picture."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
from demo.vision.drawing import draw
from demo.vision.export import write_processors
from demo.vision.geometry import DEVIATION, GRIDS, MEAN, PATCHES
from demo.vision.patches import patches_of
from demo.vision.picture import alike, alone, pair
from PIL import Image
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Glm4vImageProcessorPil:
    folder: Path = tmp_path_factory.mktemp("processor")
    write_processors(folder)
    return Glm4vImageProcessorPil.from_pretrained(folder)


def images() -> list[Image.Image]:
    rng = Random(5)
    drawn = [draw(make(rng)) for make in (alone, alike, pair) * 8]
    return [*drawn, *(Image.new("RGB", size, "teal") for size in ((28, 28), (1600, 900), (40, 80), (112, 112)))]


def test_patches_are_those_of_the_processor(processor: Glm4vImageProcessorPil):
    for image in images():
        patches, (down, across) = patches_of(image)
        theirs = processor(image, return_tensors="np")
        assert theirs["image_grid_thw"].tolist() == [[1, down, across]]
        scaled = (patches.reshape(-1, 3, 1, 196) / 255 - np.reshape(MEAN, (3, 1, 1))) / np.reshape(DEVIATION, (3, 1, 1))
        twice = np.repeat(scaled, 2, axis=2).reshape(len(patches), -1)
        np.testing.assert_allclose(twice, theirs["pixel_values"], atol=1e-5)


def test_a_picture_twice_as_wide_as_high_still_has_a_grid_that_is_learnt():
    for size in range(40, 900, 7):
        for shape in ((size, size), (size, max(20, size // 2)), (max(20, size // 2), size), (size, size * 2 // 3)):
            patches, grid = patches_of(Image.new("RGB", shape))
            assert len(patches) <= PATCHES, shape
            assert grid in GRIDS
