"""Pictures as the processor gives them to the model, but as bytes: to be normalised where they are learnt from."""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from transformers.models.glm4v.image_processing_pil_glm4v import smart_resize

from demo.vision.geometry import FRAMES, LEAST_PIXELS, MERGE, MOST_PIXELS, PATCH

Patches: TypeAlias = NDArray[np.uint8]
Grid: TypeAlias = tuple[int, int]

PATCH_BYTES: Final = 3 * PATCH * PATCH


def fit(image: Image.Image) -> Image.Image:
    """The picture at the size that the processor would give it."""
    block = PATCH * MERGE
    height, width = smart_resize(FRAMES, image.height, image.width, FRAMES, block, LEAST_PIXELS, MOST_PIXELS)
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.BICUBIC)


def patches_of(image: Image.Image) -> tuple[Patches, Grid]:
    """Patches (count, 588) uint8 in the model's order, colour by colour, one frame; and how many down and across."""
    pixels = np.asarray(fit(image))
    down, across = pixels.shape[0] // PATCH, pixels.shape[1] // PATCH
    blocks = pixels.reshape(down // MERGE, MERGE, PATCH, across // MERGE, MERGE, PATCH, 3)
    return blocks.transpose(0, 3, 1, 4, 6, 2, 5).reshape(down * across, PATCH_BYTES), (down, across)
