"""Which kind of file some bytes are, by the bytes alone: names and declared media types may lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from duihua.vision.refusal import refusal

__all__ = ["KINDS", "Kind", "kind_of"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file that is taken."""

    name: str
    media_type: str
    starts: tuple[bytes, ...]  # a file of this kind begins with one of these; "?" stands for any byte

    def fits(self, data: bytes) -> bool:
        """Whether a file that begins with these bytes is of this kind."""
        return any(_begins(data, start) for start in self.starts)


KINDS: Final = (
    Kind("JPEG", "image/jpeg", (b"\xff\xd8\xff",)),
    Kind("PNG", "image/png", (b"\x89PNG\r\n\x1a\n",)),
    Kind("WebP", "image/webp", (b"RIFF????WEBP",)),
    Kind("GIF", "image/gif", (b"GIF87a", b"GIF89a")),
    Kind("BMP", "image/bmp", (b"BM",)),
    Kind("TIFF", "image/tiff", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)
_OTHERS: Final = (  # what people try -> how it begins
    ("an SVG drawing", (b"<svg",)),
    ("a page of HTML", (b"<!doctype html", b"<html")),
    ("an XML file", (b"<?xml",)),
    ("a PDF", (b"%PDF",)),
    ("a HEIC picture", (b"????ftyphei", b"????ftypmif", b"????ftypmsf")),
    ("an AVIF picture", (b"????ftypavi",)),
    ("an icon", (b"\0\0\1\0",)),
    ("a film", (b"????ftyp", b"\x1aE\xdf\xa3")),
    ("an archive", (b"PK\3\4", b"\x1f\x8b")),
)
_LISTED: Final = ", ".join(kind.name for kind in KINDS)


def kind_of(data: bytes, name: str = "") -> Kind:
    """The kind of a file by how it begins.

    Raises:
        InvalidImage: "kind"; says what else it seems to be.
    """
    for kind in KINDS:
        if kind.fits(data):
            return kind
    if not data:
        raise refusal("kind", f"the file is empty: give a picture ({_LISTED})", name)
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    seems = next((what for what, starts in _OTHERS if any(_begins(start, each.lower()) for each in starts)), None)
    raise refusal("kind", f"this is {seems or 'no picture of a known kind'}: save it as one of {_LISTED}", name)


def _begins(data: bytes, start: bytes) -> bool:
    return len(data) >= len(start) and all(b == ord("?") or a == b for a, b in zip(data, start, strict=False))
