"""The fewest bytes of a JPEG: below what every encoder writes, and not far below it."""

from __future__ import annotations

import re
import struct

import pytest
from PIL import Image as Pillow

from duihua.vision.headers import Header, read_header
from duihua.vision.jpeg import fewest_bytes
from duihua.vision.kinds import kind_of
from duihua.vision.read import read_bytes
from vision.pictures import encoded, gradient

_SIZES = ((1, 1), (7, 9), (17, 33), (1000, 999), (4000, 4000), (15, 4001), (30_000, 16))


def header(data: bytes) -> Header:
    return read_header(data, kind_of(data))


def relabelled(data: bytes, width: int, height: int) -> bytes:
    """The file with another size in its header."""
    at = re.search(rb"\xff[\xc0\xc2]\0.\x08", data)
    assert at is not None
    return data[: at.end()] + struct.pack(">HH", height, width) + data[at.end() + 4 :]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_no_picture_of_one_colour_has_less(mode: str, progressive: bool) -> None:
    """Written as small as JPEG can: its own codes, strongest quantisation, any thinning of the colours."""
    for width, height in _SIZES:
        for thinning in (0, 1, 2) if mode == "RGB" else (0,):
            picture = Pillow.new(mode, (width, height))
            data = encoded(picture, "JPEG", optimize=True, progressive=progressive, quality=1, subsampling=thinning)
            assert header(data).missing == 0
            if (width, height) == (4000, 4000):  # the bound is what such a file has, but for its headers
                assert header(relabelled(data, 4000, 9000)).missing > 0


def test_an_honest_picture_of_one_colour_is_taken() -> None:
    data = encoded(Pillow.new("RGB", (4000, 4000), "navy"), "JPEG", optimize=True)
    assert (read_bytes(data).width, read_bytes(data).height) == (4000, 4000)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}])
def test_a_header_that_lies_grossly_is_told_by_how_much(options: dict[str, bool]) -> None:
    data = encoded(gradient(), "JPEG", **options)
    assert header(data).missing == 0
    lying = header(relabelled(data, 4000, 4000))
    assert len(data) + lying.missing > 4000 * 4000 * 6 / 4 / 64 / 8


def test_a_picture_cut_and_closed_again_is_refused() -> None:
    data = encoded(Pillow.effect_noise((1200, 900), 90).convert("RGB"), "JPEG", quality=30)
    cut = data[: len(data) // 100] + b"\xff\xd9"
    assert header(cut).missing > 0


def test_what_has_no_bound_is_left_to_the_decoder() -> None:
    frame = struct.pack(">BHHB", 8, 4000, 4000, 1) + b"\1\x11\0"
    assert fewest_bytes(0xC0, frame) == 500 * 500 * 2 // 8
    assert fewest_bytes(0xC9, frame) == 0  # arithmetic coding
    assert fewest_bytes(0xC0, frame[:-2] + b"\0\0") == 0  # a share of nothing
    with pytest.raises(struct.error):
        fewest_bytes(0xC0, frame[:5])
