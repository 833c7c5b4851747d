"""How a prompt with pictures is read: where they are, and at which position each token stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from duihua.image import Image

__all__ = ["Glimpse", "Sight"]


@dataclass(frozen=True, slots=True)
class Glimpse:
    """The part of a picture that lies in a stretch of a prompt."""

    image: Image
    start: int  # of its tokens
    stop: int
    at: int  # index in the stretch

    @property
    def place(self) -> slice:
        """Of its tokens in the stretch."""
        return slice(self.at, self.at + self.stop - self.start)


@dataclass(frozen=True, slots=True)
class Sight:
    """One prompt's pictures."""

    images: tuple[Image, ...]
    places: tuple[tuple[int, int], ...]  # of each, in the prompt as the model reads it
    positions: torch.Tensor  # (3, tokens) int64, on the CPU: in time, down and across
    shift: int  # from the index of a token after the prompt to its position, the same in all three

    def positions_of(self, start: int, stop: int) -> torch.Tensor:
        """Positions (3, 1, tokens) of a stretch of the prompt, or of the prompt and its answer."""
        prompt = self.positions.shape[1]
        later = torch.arange(max(start, prompt), max(stop, prompt)) + self.shift
        return torch.cat([self.positions[:, start:stop], later.expand(3, -1)], dim=1)[:, None]

    def within(self, start: int, stop: int) -> Iterator[Glimpse]:
        """The pictures that lie in a stretch, whole or in part."""
        for image, (first, end) in zip(self.images, self.places, strict=True):
            low, high = max(start, first), min(stop, end)
            if low < high:
                yield Glimpse(image, low - first, high - first, low - start)
