"""The directory at the head of a TIFF file and of EXIF data (TIFF 6.0, section 2; EXIF 2.32, 4.5).

Pillow reads a whole directory into memory, each entry apart, and entries may share their bytes: 60,000 of them that
point to the same ten megabytes are a bomb. So it is looked through here first, and Pillow sees only what is honest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Directory", "orientation_of", "read_directory"]

_WIDTH: Final = 256
_HEIGHT: Final = 257
_ORIENTATION: Final = 274
_SUBDIRECTORIES: Final = (34665, 34853, 40965)  # EXIF, GPS, interoperability
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TEXT: Final = (1, 2, 6, 7)  # types that are kept as bytes; of others each value becomes an object
_MOST_VALUES: Final = 1 << 18  # in one entry that is not text: strips and tiles of a large picture
_INTEGERS: Final = {1: "B", 3: "H", 4: "L", 13: "L", 16: "Q"}


@dataclass(frozen=True, slots=True)
class Directory:
    """What counts of a directory."""

    width: int
    height: int
    orientation: int  # 1 to 8, as EXIF counts them; 1 where it is not said
    is_honest: bool  # its entries, and those of the directories below it, claim no more than the data hold


@dataclass(frozen=True, slots=True)
class _Entry:
    tag: int
    kind: int
    count: int
    value: int  # its only value, or where its values stand
    size: int  # bytes that stand elsewhere, 0 where they fit into the entry


def read_directory(data: bytes) -> Directory:
    """The first directory of TIFF-structured data; ValueError where there is none."""
    try:
        order = {b"II": "<", b"MM": ">"}[data[:2]]
        is_big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
        at = struct.unpack_from(f"{order}Q", data, 8)[0] if is_big else struct.unpack_from(f"{order}L", data, 4)[0]
        entries = list(_entries(data, at, order, is_big=is_big))
        below = [
            entry
            for pointer in entries
            if pointer.tag in _SUBDIRECTORIES
            for entry in _entries(data, pointer.value, order, is_big=is_big)
        ]
    except (KeyError, struct.error) as error:
        raise ValueError("it has no directory") from error
    values = {entry.tag: entry.value for entry in entries if entry.kind in _INTEGERS and entry.count == 1}
    orientation = values.get(_ORIENTATION, 1)
    return Directory(
        width=values.get(_WIDTH, 0),
        height=values.get(_HEIGHT, 0),
        orientation=orientation if 1 <= orientation <= 8 else 1,
        is_honest=_are_honest([*entries, *below], len(data)),
    )


def orientation_of(exif: bytes) -> int:
    """The turn that EXIF data asks for, 1 to 8; 1 where they say nothing that can be read."""
    try:
        return read_directory(exif.removeprefix(b"Exif\0\0")).orientation
    except ValueError:
        return 1


def _are_honest(entries: Sequence[_Entry], size: int) -> bool:
    return sum(entry.size for entry in entries) <= size and all(
        entry.value + entry.size <= size and (entry.count <= _MOST_VALUES or entry.kind in _TEXT)
        for entry in entries
        if entry.size
    )


def _entries(data: bytes, at: int, order: str, *, is_big: bool) -> Iterator[_Entry]:
    """The entries of the directory at this offset; struct.error where it goes beyond the end."""
    head, entry, inline = ("Q", "HHQ8s", 8) if is_big else ("H", "HHL4s", 4)
    if at > len(data):
        raise struct.error("the directory stands beyond the end")
    count = struct.unpack_from(order + head, data, at)[0]
    at += struct.calcsize(order + head)
    size = count * struct.calcsize(order + entry)
    if at + size > len(data):
        raise struct.error("the directory goes beyond the end")
    for tag, kind, values, raw in struct.iter_unpack(order + entry, data[at : at + size]):
        elsewhere = values * _SIZES.get(kind, 0)
        if elsewhere <= inline:
            yield _Entry(tag, kind, values, struct.unpack_from(order + _INTEGERS.get(kind, "L"), raw)[0], 0)
        else:
            yield _Entry(tag, kind, values, int.from_bytes(raw, "little" if order == "<" else "big"), elsewhere)
