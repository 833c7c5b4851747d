"""A checkpoint's own image processor: from a checked picture to the patches that its vision tower reads."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from transformers import AutoImageProcessor

from duihua.errors import InvalidImage
from duihua.image import Image
from duihua.vision.pixels import decode

__all__ = ["Grid", "Patches", "Processor"]

_log = logging.getLogger(__name__)

Grid = tuple[int, int, int]  # patches in time, down and across


@dataclass(frozen=True, slots=True)
class Patches:
    """A picture cut up."""

    values: torch.Tensor  # (patches, numbers of a patch), float32, on the CPU
    grid: Grid

    @property
    def size_bytes(self) -> int:
        """Memory they take."""
        return self.values.nbytes


class Processor:
    """Computes with Pillow and numpy, so torchvision is not needed; may be used by several threads."""

    def __init__(self, processor: Any) -> None:
        """Wrap one of Transformers' image processors with the Pillow backend."""
        self._processor = processor
        self._merged: int = processor.merge_size**2  # patches that become one token

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """That of a checkpoint; None where it has none that can be used here.

        One that is Python code of the checkpoint's own is not run.
        """
        try:
            processor: Any = AutoImageProcessor.from_pretrained(
                path, backend="pil", local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, ImportError, KeyError) as error:
            _log.info("%s has no image processor that can be used: %s", path, error)
            return None
        usable = getattr(processor, "backend", None) == "pil" and hasattr(processor, "merge_size")
        return cls(processor) if usable else None

    def patches(self, image: Image) -> Patches:
        """Cut a picture up; takes a fifth of a second for two megapixels.

        Raises:
            InvalidImage: the processor does not take its shape.
        """
        pixels = decode(image)
        try:
            made = self._processor(pixels, return_tensors="pt")
        except ValueError as error:
            raise InvalidImage(
                f"the model takes no picture of {image.width} x {image.height} pixels ({error}): crop it",
                why="shape",
                name=image.name,
            ) from error
        down, across = (int(number) for number in made["image_grid_thw"][0][1:])
        return Patches(made["pixel_values"], (int(made["image_grid_thw"][0][0]), down, across))

    def tokens(self, grid: Grid) -> int:
        """Tokens that a picture of this grid has in a prompt."""
        return grid[0] * grid[1] * grid[2] // self._merged
