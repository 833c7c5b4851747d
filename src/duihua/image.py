"""A picture in a conversation: its file, and its size as it is seen. `duihua.vision` makes and decodes it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

__all__ = ["Image"]


@dataclass(frozen=True, slots=True)
class Image:
    """A picture whose file was checked.

    The file is kept, not its pixels: it is a tenth as large, and engines decode it once. `duihua.vision` has decoded it
    before and found it whole and within its bounds, so it decodes again.
    """

    data: bytes = field(repr=False)  # an encoded file: JPEG, PNG, ...
    width: int  # pixels, as it is seen: after the turn that EXIF asks for
    height: int
    media_type: str = "image/png"
    name: str = field(default="", compare=False)  # what people call it: the file's name
    sha256: str = field(init=False)  # of the file, hexadecimal; what caches know it by

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(self.data).hexdigest())

    def __hash__(self) -> int:
        """Of the checksum: conversations are looked up in caches at every turn."""
        return hash(self.sha256)
