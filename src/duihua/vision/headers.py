"""What a file says about itself, read before it is decoded, and before a decoder has seen it."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from duihua.vision.exif import orientation_of, read_directory
from duihua.vision.jpeg import fewest_bytes
from duihua.vision.kinds import Kind
from duihua.vision.refusal import refusal

__all__ = ["Header", "read_header"]

_MARKER: Final = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd8])")  # those that a segment, or the end, follows
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN, _END, _APP1 = 0xDA, 0xD9, 0xE1
_MOST_CHUNKS: Final = 1 << 16  # of a PNG or WebP: 8 KB each would be 512 MB
_MOST_FILL: Final = 1 << 16  # bytes that say nothing, in a JPEG's header and before a GIF's first frame
_MOST_COMMENT: Final = 1 << 20  # bytes of a GIF's comments


@dataclass(frozen=True, slots=True)
class Header:
    """A file's own word about its picture."""

    width: int  # pixels, as they are stored: before the turn that EXIF asks for
    height: int
    orientation: int = 1  # 1 to 8, as EXIF counts them: what is to be turned after decoding; TIFF's decoder turns
    scans: int = 1  # how often the pixels are gone through
    missing: int = 0  # bytes, at least, that the file has too few for so many pixels; known of a JPEG only


def read_header(data: bytes, kind: Kind, name: str = "") -> Header:
    """The header of a file of this kind.

    Raises:
        InvalidImage: "truncated" where there is none that can be read, and where the file has something that would make
            a decoder work for nothing.
    """
    try:
        header = _READERS[kind.name](data)
        if header.width < 1 or header.height < 1:
            raise ValueError("its picture has no pixels")
    except (struct.error, IndexError) as error:
        raise refusal("truncated", f"the {kind.name} file ends in its header: send it whole", name) from error
    except ValueError as error:
        raise refusal("truncated", f"the {kind.name} file is damaged, {error}: save it again", name) from error
    return header


def _jpeg(data: bytes) -> Header:
    at, scans, segments, size = 2, 0, 0, (0, 0)
    needed = found = 0  # bytes of the scans
    exif: list[bytes] = []
    while (marker := _MARKER.search(data, at)) and (code := marker[1][0]) != _END:
        segments += 1
        if segments > _MOST_CHUNKS:
            raise ValueError(f"it has more than {_MOST_CHUNKS:,} segments")
        if not scans and marker.start() - at > _MOST_FILL:
            raise ValueError("nothing follows for long in its header")
        found += marker.start() - at if scans else 0
        (length,) = struct.unpack_from(">H", data, marker.end())
        at = marker.end() + max(2, length)
        segment = data[marker.end() + 2 : at]
        if code in _FRAMES:
            height, width = struct.unpack_from(">xHH", segment)
            size = (max(width, size[0]), max(height, size[1]))
            needed = max(needed, fewest_bytes(code, segment))
        elif code == _APP1 and segment.startswith(b"Exif\0\0"):
            exif.append(segment[6:])
        scans += code == _SCAN
    found += (marker.start() if marker else len(data)) - at
    return Header(*size, orientation_of(b"".join(exif)), scans, max(0, needed - found))


def _chunks(data: bytes, at: int, layout: str) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of the chunks from here on: of a PNG (">L4s") or a RIFF file ("<4sL")."""
    while at + 8 <= len(data):
        first, second = struct.unpack_from(layout, data, at)
        name, length = (second, first) if layout == ">L4s" else (first, second)
        yield name, data[at + 8 : at + 8 + length] if name in (b"eXIf", b"EXIF") else b""
        at += 12 + length if layout == ">L4s" else 8 + length + length % 2


def _png(data: bytes) -> Header:
    width, height = struct.unpack_from(">LL", data, 16)
    orientation, profiles = 1, 0
    for index, (name, content) in enumerate(_chunks(data, 8, ">L4s")):
        profiles += name == b"iCCP"
        if profiles > 1:  # a decoder unpacks every one of them
            raise ValueError("it has two colour profiles")
        if index == _MOST_CHUNKS:
            raise ValueError(f"it has more than {_MOST_CHUNKS:,} chunks")
        if name == b"eXIf":
            orientation = orientation_of(content)
        if name == b"IEND":
            return Header(width, height, orientation)
    raise ValueError("its end is missing")


def _webp(data: bytes) -> Header:
    first = data[12:16]
    if first == b"VP8X":  # a canvas, in 24 bits each
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
    elif first == b"VP8L":
        bits = struct.unpack_from("<L", data, 21)[0]
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    orientation = 1
    for index, (name, content) in enumerate(_chunks(data, 12, "<4sL")):
        if index == _MOST_CHUNKS:
            raise ValueError(f"it has more than {_MOST_CHUNKS:,} chunks")
        if name == b"EXIF":
            orientation = orientation_of(content)
    return Header(width, height, orientation)


def _gif(data: bytes) -> Header:
    """The screen, or the first frame where that is larger, as decoders take it."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    comments = fill = 0
    while data[at] != ord(","):
        if data[at] != ord("!"):
            at, fill = at + 1, fill + 1
            if fill > _MOST_FILL:
                raise ValueError("its first frame does not come")
            continue
        label, at = data[at + 1], at + 2
        start = at
        while data[at]:
            at += 1 + data[at]
        at += 1
        comments += at - start if label == 0xFE else 0
        if comments > _MOST_COMMENT:
            raise ValueError(f"its comments have more than {_MOST_COMMENT:,} bytes")
    left, top, wide, high = struct.unpack_from("<HHHH", data, at + 1)
    return Header(max(width, left + wide), max(height, top + high))


def _bmp(data: bytes) -> Header:
    if data[14] == 12:  # OS/2
        return Header(*struct.unpack_from("<HH", data, 18))
    width, height = struct.unpack_from("<ll", data, 18)
    return Header(width, abs(height))


def _tiff(data: bytes) -> Header:
    directory = read_directory(data)
    if not directory.is_honest:
        raise ValueError("its directory claims more than the file holds")
    return Header(directory.width, directory.height)


_READERS: Final[dict[str, Callable[[bytes], Header]]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WebP": _webp,
    "GIF": _gif,
    "BMP": _bmp,
    "TIFF": _tiff,
}
