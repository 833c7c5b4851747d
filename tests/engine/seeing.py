"""What tests know of the tiny checkpoints that see, from their files."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from transformers import AutoImageProcessor

from duihua.image import Image

__all__ = ["marks_of", "tokens_by_size"]


def marks_of(path: Path) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The ids before a picture, for it and after it."""
    config = json.loads((path / "config.json").read_text("utf-8"))
    start = config.get("image_start_token_id", config.get("vision_start_token_id"))
    end = config.get("image_end_token_id", config.get("vision_end_token_id"))
    return (start,), (config["image_token_id"],), (end,)


def tokens_by_size(path: Path, image: Image) -> int:
    """Tokens of a picture, worked out by Transformers from its size alone."""
    processor = _processor(path)
    return processor.get_number_of_image_patches(image.height, image.width) // processor.merge_size**2


@cache
def _processor(path: Path) -> Any:
    return AutoImageProcessor.from_pretrained(path, backend="pil")
