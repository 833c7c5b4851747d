"""Files that mean harm, or are no pictures: each with the word that it is refused for."""

from __future__ import annotations

import pickle
import re
import struct
import zlib
from collections.abc import Callable

from PIL import Image as Pillow

from vision.pictures import chunk, encoded, every_way, flag, gif, gradient, png_header, tiff, with_chunks

_PNG = encoded(gradient())
_JPEG = encoded(gradient(), "JPEG")


def _bmp_header(width: int, height: int, bits: int = 24) -> bytes:
    return b"BM" + struct.pack("<LLLLllHHLLLLLL", 54, 0, 54, 40, width, height, 1, bits, 0, 0, 0, 0, 0, 0)


def _webp_canvas(width: int, height: int) -> bytes:
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<L", 22) + b"WEBPVP8X" + struct.pack("<L", 10) + canvas


def _jpeg_of(width: int, height: int) -> bytes:
    at = re.search(rb"\xff\xc0\0\x11\x08", _JPEG)
    assert at is not None
    return _JPEG[: at.end()] + struct.pack(">HH", height, width) + _JPEG[at.end() + 4 :]


def _scans(count: int, side: int = 2000) -> bytes:
    jpeg = encoded(Pillow.new("RGB", (side, side)), "JPEG", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:-2] + jpeg[last:-2] * count + jpeg[-2:]


def _shared(count: int, size: int) -> bytes:
    """A TIFF whose entries all point to the same bytes."""
    place = 8 + 2 + 12 * (count + 2) + 4
    entries = [(256, 3, 1, 10), (257, 3, 1, 10)] + [(1000 + tag, 1, size, place) for tag in range(count)]
    return tiff(*entries, behind=bytes(size))


def _exif_bomb() -> bytes:
    """A JPEG whose EXIF data, over many segments, are such a TIFF."""
    content = _shared(20_000, 3_000_000)
    parts = [content[at : at + 60_000] for at in range(0, len(content), 60_000)]
    segments = (b"\xff\xe1" + struct.pack(">H", len(part) + 8) + b"Exif\0\0" + part for part in parts)
    return _JPEG[:2] + b"".join(segments) + _JPEG[2:]


def _zipped(megabytes: int) -> bytes:
    return zlib.compress(bytes(megabytes << 20))


_MEGABYTE = zlib.compress(bytes(1_000_000))

FILES: dict[str, tuple[bytes, str]] = {
    # no pictures
    "nothing": (b"", "kind"),
    "zeros": (bytes(1000), "kind"),
    "one letter": (b"B", "kind"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", "kind"),
    "svg with entities": (b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><svg>&a;</svg>', "kind"),
    "html": (b"<!DOCTYPE html><img src=x onerror=alert(1)>", "kind"),
    "html that mentions a png": (b"<html>\x89PNG\r\n\x1a\n</html>", "kind"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "kind"),
    "avif": (encoded(flag(), "AVIF"), "kind"),
    "icon": (encoded(flag().resize((16, 16)), "ICO"), "kind"),
    "pdf": (encoded(flag(), "PDF"), "kind"),
    "jpeg 2000": (encoded(flag(), "JPEG2000"), "kind"),
    "pcx": (encoded(flag(), "PCX"), "kind"),
    "tga": (encoded(flag(), "TGA"), "kind"),
    "eps": (encoded(flag(), "EPS"), "kind"),
    "pickle": (pickle.dumps({"a": 1}), "kind"),
    "zip": (b"PK\3\4" + bytes(100), "kind"),
    "script before a png": (b"#!/bin/sh\n" + _PNG, "kind"),
    "film in a riff": (b"RIFF\x24\0\0\0AVI LIST", "kind"),
    # more than they may be
    "png of 30000 x 30000": (png_header(30_000, 30_000), "pixels"),
    "png of four billion": (png_header(0xFFFFFFFF, 0xFFFFFFFF), "side"),
    "png of 2^31 x 1": (png_header(1 << 31, 1), "side"),
    "jpeg of 30000 x 30000": (_jpeg_of(30_000, 30_000), "pixels"),
    "jpeg of 65500 x 1": (_jpeg_of(65_500, 1), "side"),
    "gif of 30000 x 30000": (gif(30_000, 30_000, frame=(0, 0, 1, 1)), "pixels"),
    "gif whose frame is larger": (gif(1, 1, frame=(0, 0, 65_535, 65_535)), "side"),
    "gif whose frame stands outside": (gif(1, 1, frame=(20_000, 20_000, 10, 10)), "pixels"),
    "webp of 16 million a side": (_webp_canvas(1 << 24, 1 << 24), "side"),
    "webp of 16000 x 16000": (_webp_canvas(16_000, 16_000), "pixels"),
    "bmp of 30000 x -30000": (_bmp_header(30_000, -30_000), "pixels"),
    "bmp of two billion": (_bmp_header(0x7FFFFFFF, -0x80000000), "side"),
    "tiff of 30000 x 30000": (tiff((256, 4, 1, 30_000), (257, 4, 1, 30_000)), "pixels"),
    "jpeg gone through 400 times": (_scans(400), "time"),
    "small jpeg gone through 1100 times": (_scans(1100, 8), "time"),
    # what is broken, or lies
    "png without pixels": (png_header(8, 8), "truncated"),
    "png of nothing": (png_header(0, 8), "truncated"),
    "png that is a header": (_PNG[:33], "truncated"),
    "png that says more than it has": (png_header(4000, 4000), "truncated"),
    "png with a wrong checksum": (_PNG.replace(b"IHDR", b"IHDS"), "truncated"),
    "png with broken pixels": (_PNG[:50] + bytes(20) + _PNG[70:], "truncated"),
    "png with an endless text": (with_chunks(chunk(b"zTXt", b"a\0\0" + _zipped(50))), "truncated"),
    "png with an endless profile": (with_chunks(chunk(b"iCCP", b"a\0\0" + _zipped(50))), "truncated"),
    "png with many profiles": (with_chunks(chunk(b"iCCP", b"a\0\0" + _zipped(1)) * 100), "truncated"),
    "png of many chunks": (with_chunks(chunk(b"teXt", b"") * 70_000), "truncated"),
    "png without an end": (_PNG[:-12], "truncated"),
    "jpeg cut in its pixels": (_JPEG[:-40], "truncated"),
    "jpeg that says more than it has": (_jpeg_of(4000, 4000), "truncated"),
    "jpeg of two bytes": (b"\xff\xd8\xff", "truncated"),
    "jpeg of filling": (_JPEG[:2] + b"\xff" * 100_000 + _JPEG[2:], "truncated"),
    "gif without pixels": (gif(8, 8, frame=(0, 0, 8, 8)), "truncated"),
    "gif without a frame": (gif(8, 8, frame=(0, 0, 8, 8))[:13] + b";", "truncated"),
    "gif with a novel": (gif(8, 8, frame=(0, 0, 8, 8), before=b"!\xfe" + b"\xff" * 256 * 6000 + b"\0"), "truncated"),
    "webp without pixels": (_webp_canvas(8, 8), "truncated"),
    "webp cut": (every_way()["webp"][:-10], "truncated"),
    "bmp without pixels": (_bmp_header(8, 8), "truncated"),
    "bmp of no known depth": (_bmp_header(8, 8, 7), "truncated"),
    "tiff without a directory": (b"II*\0\xff\xff\xff\x7f", "truncated"),
    "tiff that is its own directory": (b"II*\0\0\0\0\0" + bytes(100), "truncated"),
    "tiff without pixels": (tiff((256, 3, 1, 8), (257, 3, 1, 8)), "truncated"),
    "tiff whose entries share their bytes": (_shared(500, 10_000), "truncated"),
    "gif that is a png": (b"GIF89a" + _PNG, "truncated"),
    "jpeg that is a png": (b"\xff\xd8\xff" + _PNG, "truncated"),
}

# What would cost gigabytes or minutes; made when it is asked for.
BOMBS: dict[str, Callable[[], bytes]] = {
    "png of 30000 x 30000": lambda: png_header(30_000, 30_000),
    "png whose text unpacks to gigabytes": lambda: with_chunks(chunk(b"zTXt", b"a\0\0" + _zipped(50)) * 200),
    "png whose texts are a megabyte each": lambda: with_chunks(
        *(chunk(b"zTXt", b"a%d\0\0" % index + _MEGABYTE) for index in range(2000))
    ),
    "png whose profiles are a megabyte each": lambda: with_chunks(chunk(b"iCCP", b"a\0\0" + _MEGABYTE) * 15_000),
    "png of a million chunks": lambda: with_chunks(chunk(b"teXt", b"") * 1_500_000),
    "png with pixels to spare": lambda: _PNG[:-12] + chunk(b"IDAT", _zipped(100)) * 50 + _PNG[-12:],
    "jpeg of five million segments": lambda: _JPEG[:20] + b"\xff\xe5\0\2" * 4_900_000 + _JPEG[20:],
    "jpeg of filling": lambda: _JPEG[:2] + b"\xff" * 19_000_000 + _JPEG[2:],
    "jpeg gone through 4000 times": lambda: _scans(4000),
    "jpeg with exif that share their bytes": _exif_bomb,
    "gif with a novel": lambda: gif(8, 8, frame=(0, 0, 8, 8), before=b"!\xfe" + b"\xff" * 256 * 75_000 + b"\0"),
    "gif of 65535 x 65535": lambda: gif(65_535, 65_535, frame=(0, 0, 65_535, 65_535), before=b"!\xf9\4\x09\0\0\0\0"),
    "webp of 16 million a side": lambda: _webp_canvas(1 << 24, 1 << 24),
    "tiff whose entries share their bytes": lambda: _shared(60_000, 10_000_000),
    "tiff of a million strips": lambda: tiff(
        (256, 4, 1, 1), (257, 4, 1, 32_000), (273, 4, 4_000_000, 74), (278, 4, 1, 1), behind=bytes(16_000_100)
    ),
}
