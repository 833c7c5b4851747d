"""Bytes, files and data URLs to a checked picture.

What a request brings goes to `read_data_url` or `duihua.vision.fetch`, never to `read_file` or `read_image`: a request
must not name files of this machine.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from duihua.image import Image
from duihua.vision.bounds import Bounds, check_bytes, check_size
from duihua.vision.data_url import file_of
from duihua.vision.headers import Header, read_header
from duihua.vision.kinds import Kind, kind_of
from duihua.vision.refusal import refusal

if TYPE_CHECKING:
    from PIL.Image import Image as Pillow

__all__ = ["read_bytes", "read_data_url", "read_file", "read_image", "read_pixels"]

_WORK: Final = 16  # times that the most pixels a picture may have may be gone through
_MOST_SCANS: Final = 1000  # of a JPEG; a progressive one has about ten


def read_image(source: bytes | str | os.PathLike[str] | Pillow, *, bounds: Bounds = Bounds(), name: str = "") -> Image:
    """A picture from whatever a person at this machine gives: a file's bytes, a path, a data URL or a Pillow image.

    A string is a data URL where it begins with `data:`, and a path otherwise; an http URL needs
    `duihua.vision.fetch.Fetcher`. It works where it is called, for up to a second: keep it off an event loop.

    Args:
        bounds: what it may cost.
        name: what the picture is called; a file has its own name.

    Raises:
        InvalidImage: it cannot be taken; `why` is one of the words of `duihua.vision`.
    """
    if isinstance(source, bytes):
        return read_bytes(source, bounds=bounds, name=name)
    if isinstance(source, str) and source[:5].lower() == "data:":
        return read_data_url(source, bounds=bounds, name=name)
    if isinstance(source, str) and re.match(r"https?://", source, re.IGNORECASE):
        raise refusal("url", "this is the address of a picture: it must be fetched first (duihua.vision.fetch)", name)
    if isinstance(source, str | os.PathLike):
        return read_file(source, bounds=bounds, name=name)
    return read_pixels(source, bounds=bounds, name=name)


def read_bytes(data: bytes, *, bounds: Bounds = Bounds(), name: str = "") -> Image:
    """A picture from its file's bytes.

    They are checked in this order: how many there are, how they begin, how many pixels the header says, whether a
    JPEG's data can be so many, and whether they decode to their end. Only the first frame of an animation is decoded.

    Raises:
        InvalidImage: "bytes", "kind", "side", "pixels", "time" or "truncated".
    """
    check_bytes(len(data), bounds, name)
    kind = kind_of(data, name)
    header = read_header(data, kind, name)
    check_size(header.width, header.height, bounds, name)
    _check_work(header, bounds, name)
    _check_data(header, name)
    width, height = _decoded_size(data, kind, bounds, name)
    if header.orientation >= 5:  # a quarter turn
        width, height = height, width
    return Image(data=data, width=width, height=height, media_type=kind.media_type, name=name)


def read_file(path: str | os.PathLike[str], *, bounds: Bounds = Bounds(), name: str = "") -> Image:
    """A picture from a file of this machine; `~` is the user's directory.

    Only an ordinary file is opened, and never more read of it than a picture may have.

    Raises:
        InvalidImage: "missing" where there is no such file; else as `read_bytes`.
    """
    file = Path(path)
    name = name or file.name
    try:
        file = file.expanduser()
        with open(file, "rb", opener=_without_waiting) as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise refusal("missing", "this is no ordinary file: name a picture's file", name)
            data = opened.read(bounds.max_bytes + 1)
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no such path"
        raise refusal(
            "missing", f"the file cannot be read ({reason}): check the path {os.fspath(path)!r}", name
        ) from error
    return read_bytes(data, bounds=bounds, name=name)


def read_data_url(url: str, *, bounds: Bounds = Bounds(), name: str = "") -> Image:
    """A picture from a data URL (RFC 2397), in Base64 or percent-encoded.

    Raises:
        InvalidImage: as `file_of` and `read_bytes`.
    """
    return read_bytes(file_of(url, bounds=bounds, name=name), bounds=bounds, name=name)


def read_pixels(picture: Pillow, *, bounds: Bounds = Bounds(), name: str = "") -> Image:
    """A picture from a Pillow image: a PNG of its current frame, turned as its EXIF data ask.

    Raises:
        TypeError: it is no Pillow image.
        InvalidImage: "side", "pixels" or "bytes"; "truncated" where it cannot be read from its own file.
    """
    from PIL.Image import Image as PillowImage

    from duihua.vision.pixels import encode_png

    if not isinstance(picture, PillowImage):  # pyright: ignore[reportUnnecessaryIsInstance]  callers may not be checked
        raise TypeError(f"a picture is bytes, a path, a data URL or a Pillow image, not {type(picture).__name__}")
    check_size(picture.width, picture.height, bounds, name)
    return read_bytes(encode_png(picture), bounds=bounds, name=name)


def _check_work(header: Header, bounds: Bounds, name: str) -> None:
    """Refuse a file whose pixels are gone through too often."""
    if header.scans > _MOST_SCANS or header.scans * header.width * header.height > _WORK * bounds.max_pixels:
        raise refusal(
            "time",
            f"it would take too long to decode ({header.scans:,} scans): save it without progressive scans",
            name,
        )


def _check_data(header: Header, name: str) -> None:
    """Refuse a JPEG that cannot hold its pixels: its decoder would make up the rest, in grey."""
    if header.missing:
        raise refusal(
            "truncated",
            f"the JPEG file is damaged: {header.width} x {header.height} pixels need {header.missing:,} bytes more, "
            "at least: send it whole",
            name,
        )


def _decoded_size(data: bytes, kind: Kind, bounds: Bounds, name: str) -> tuple[int, int]:
    """Width and height, after it was decoded once: a header may lie."""
    from duihua.vision.pixels import load

    picture = load(data, kind, name)
    check_size(picture.width, picture.height, bounds, name)
    return picture.width, picture.height


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file; a pipe that nobody writes to does not keep us waiting."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
