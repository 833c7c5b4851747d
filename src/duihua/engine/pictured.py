"""A prompt with pictures as one row of numbers, each picture as long as the model makes it and unlike every other."""

from __future__ import annotations

from collections.abc import Sequence

from duihua.image import Image
from duihua.request import GenerationRequest, PlacedImage

__all__ = ["number_of", "pictured_ids", "stretched"]


def number_of(image: Image) -> int:
    """A picture's number: below zero, so that it is no id, and its own, for it is made of the checksum."""
    return -1 - int(image.sha256, 16)


def pictured_ids(request: GenerationRequest) -> list[int]:
    """The prompt's ids, with a picture's number in its place, once for each of its tokens.

    Two prompts have the same keys and values as far as these rows are the same.
    """
    ids = list(request.token_ids)
    for placed in reversed(request.images):
        ids[placed.start : placed.stop] = [number_of(placed.image)] * placed.tokens
    return ids


def stretched(images: Sequence[PlacedImage]) -> list[tuple[int, int]]:
    """Where each picture begins and ends in that row."""
    places: list[tuple[int, int]] = []
    longer = 0
    for placed in images:
        start = placed.start + longer
        places.append((start, start + placed.tokens))
        longer += placed.tokens - (placed.stop - placed.start)
    return places
