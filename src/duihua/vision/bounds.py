"""How large pictures may be, one by one and together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from duihua.image import Image
from duihua.vision.refusal import refusal

__all__ = ["LOW_DETAIL", "Bounds", "Budget", "check_bytes", "check_count", "check_size"]

LOW_DETAIL: Final = 512  # pixels of the longer side under `detail: "low"`, as OpenAI has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a picture may cost, and the pictures of one request.

    A decoded picture takes four bytes a pixel while it is decoded, twice where it is turned.
    """

    max_bytes: int = 20 << 20  # bytes of a file
    max_pixels: int = 50_000_000  # pixels of a picture: width x height
    max_side: int = 32_768  # pixels of its width, and of its height
    max_images: int = 16  # pictures in one request
    max_total_bytes: int = 64 << 20  # bytes of their files together
    seconds: float = 20.0  # seconds to fetch one, from the name's resolving to the last byte

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than nothing")


class Budget:
    """What is left of the bytes that the pictures of one request may have together; taken from while they come."""

    def __init__(self, bounds: Bounds) -> None:
        self._most = self._left = bounds.max_total_bytes

    def take(self, count: int) -> None:
        """So many bytes more; raises InvalidImage ("total") where they are too many."""
        self._left -= count
        if self._left < 0:
            raise refusal(
                "total",
                f"the pictures have more than {self._most:,} bytes together, which is the most: "
                "send fewer, or smaller ones",
            )


def check_bytes(count: int, bounds: Bounds, name: str = "") -> None:
    """Refuse a file of so many bytes; raises InvalidImage ("bytes")."""
    if count > bounds.max_bytes:
        raise refusal(
            "bytes",
            f"the file is larger than the {bounds.max_bytes:,} bytes that a picture may have: "
            "make the picture smaller, or save it as JPEG",
            name,
        )


def check_size(width: int, height: int, bounds: Bounds, name: str = "") -> None:
    """Refuse a picture of so many pixels; raises InvalidImage ("side", "pixels")."""
    if max(width, height) > bounds.max_side:
        raise refusal(
            "side",
            f"the picture is {width} x {height} pixels and no side may be longer than {bounds.max_side:,}: "
            "make it smaller, or cut it",
            name,
        )
    if width * height > bounds.max_pixels:
        raise refusal(
            "pixels",
            f"the picture is {width} x {height} pixels and may have {bounds.max_pixels:,} in all: make it smaller",
            name,
        )


def check_count(images: Sequence[Image], bounds: Bounds) -> None:
    """Refuse more pictures, or larger ones together, than one request may hold.

    Raises:
        InvalidImage: "count" or "total", with both numbers.
    """
    if len(images) > bounds.max_images:
        raise refusal("count", f"there are {len(images)} pictures and at most {bounds.max_images} may come together")
    total = sum(len(image.data) for image in images)
    if total > bounds.max_total_bytes:
        raise refusal(
            "total",
            f"the {len(images)} pictures have {total:,} bytes together and may have {bounds.max_total_bytes:,}: "
            "send fewer, or smaller ones",
        )
