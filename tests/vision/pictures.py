"""Pictures for tests, and parts of files that are put together by hand."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image as Pillow

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)

# Every way of writing the same picture that is taken: Pillow's name of it and its options.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("JPEG", {}),
    "progressive jpeg": ("JPEG", {"progressive": True}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {}),
    "lossless webp": ("WEBP", {"lossless": True}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
    "tiff": ("TIFF", {}),
    "lzw tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "jpeg tiff": ("TIFF", {"compression": "jpeg"}),
    "big tiff": ("TIFF", {"big_tiff": True}),
}


def encoded(picture: Pillow.Image, how: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, how, **options)
    return file.getvalue()


def flag(width: int = 16, height: int = 32) -> Pillow.Image:
    """Blue, with a red field at the top left: it tells every turn from the others."""
    picture = Pillow.new("RGB", (width, height), BLUE)
    picture.paste(RED, (0, 0, width // 2, height // 2))
    return picture


def gradient() -> Pillow.Image:
    return Pillow.linear_gradient("L").resize((40, 30)).convert("RGB")


def every_way() -> dict[str, bytes]:
    return {name: encoded(gradient(), how, **options) for name, (how, options) in WAYS.items()}


def exif(orientation: int) -> Pillow.Exif:
    made = Pillow.Exif()
    made[0x0112] = orientation
    return made


def chunk(name: bytes, content: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">L", len(content)) + name + content + struct.pack(">L", zlib.crc32(name + content))


def with_chunks(*chunks: bytes, picture: bytes | None = None) -> bytes:
    """A PNG with these chunks behind its header."""
    png = picture or encoded(flag())
    return png[:33] + b"".join(chunks) + png[33:]


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it has so many pixels, and has none."""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def tiff(*entries: tuple[int, int, int, int], behind: bytes = b"") -> bytes:
    """A TIFF with a directory of these entries: tag, type, count and value or place."""
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHLL", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<L", 8) + directory + bytes(4) + behind


def gif(width: int, height: int, *, frame: tuple[int, int, int, int], before: bytes = b"") -> bytes:
    """A GIF's screen, what stands before its frame, and the frame's place and size, with no pixels."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0)
    return screen + before + b"," + struct.pack("<HHHHB", *frame, 0) + b"\2\0;"
