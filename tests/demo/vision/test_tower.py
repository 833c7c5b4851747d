"""The tower over many pictures at once sees what transformers' tower sees in each."""

from pathlib import Path
from random import Random
from typing import Any, cast

import torch
from demo.vision.drawing import draw
from demo.vision.export import write_processors
from demo.vision.geometry import GRIDS, PATCHES, new_model
from demo.vision.patches import patches_of
from demo.vision.picture import alone, mixed
from demo.vision.tower import Tower
from PIL import Image
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil

from drawn import tokenizer


@torch.no_grad()
def test_many_at_once_are_seen_as_each_alone(tmp_path: Path):
    visual = cast("Any", new_model(tokenizer())).model.visual.eval()
    write_processors(tmp_path)
    processor = Glm4vImageProcessorPil.from_pretrained(tmp_path)
    rng = Random(3)
    images = [draw(make(rng)) for make in (alone, mixed) * 4]
    images += [Image.new("RGB", (300, 150), "red"), Image.new("RGB", (40, 80), "blue")]
    shown = [patches_of(image) for image in images]
    assert len({grid for _, grid in shown}) > 3
    padded = torch.zeros(len(shown), PATCHES, 588, dtype=torch.uint8)
    for row, (patches, _) in zip(padded, shown, strict=True):
        row[: len(patches)] = torch.from_numpy(patches.copy())
    together = Tower(visual).see(padded, torch.tensor([GRIDS.index(grid) for _, grid in shown]))
    for tokens, image in zip(together, images, strict=True):
        processed = processor(image, return_tensors="pt")
        by_itself = visual(processed["pixel_values"], grid_thw=processed["image_grid_thw"]).pooler_output
        torch.testing.assert_close(tokens[: len(by_itself)], by_itself, atol=1e-6, rtol=1e-4)
