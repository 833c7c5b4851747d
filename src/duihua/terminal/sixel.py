"""Pictures as Sixel, which DEC's terminals drew first and some of today's draw.

Source: VT330/VT340 Programmer Reference Manual, volume 2 (EK-VT3XX-GP-002), chapter 14,
https://vt100.net/docs/vt3xx-gp/chapter14.html. A character from `?` on is six pixels, one above the other, the topmost
in the lowest bit; `#` chooses a colour, `!` repeats, `$` goes back to the left edge, `-` to the next six rows.
"""

from __future__ import annotations

import re
from typing import Final

from PIL import Image as Pillow

__all__ = ["COLOURS", "sixel"]

COLOURS: Final = 256  # of a picture, at most: what the terminals of today keep
_BAND: Final = 6  # rows of pixels
_EMPTY: Final = ord("?")
# Shorter runs are shorter written out; the VT340 repeats 255 times.
_RUN: Final = re.compile(r"(.)\1{3,254}", re.DOTALL)


def sixel(picture: Pillow.Image) -> str:
    """The sequence that draws a picture at the cursor, each pixel of it as one of the terminal's.

    What is written after it on the next line stands below it, whether the terminal leaves the cursor at the last six
    rows, as DEC has it, or under them.

    Args:
        picture: one with a palette keeps it; any other is brought to `COLOURS` colours.
    """
    painted = picture if picture.mode == "P" else picture.convert("RGB").quantize(COLOURS)
    width, height = painted.size
    pixels = painted.tobytes()
    palette = _colours(painted, sorted(set(pixels)))
    bands = [_band(pixels[top * width : (top + _BAND) * width], width) for top in range(0, height, _BAND)]
    # 0;1: what no colour paints is left as it is; "1;1: pixels are square.
    return f'\x1bP0;1;0q"1;1;{width};{height}{palette}{"".join(bands)}\x1b\\'


def _colours(painted: Pillow.Image, used: list[int]) -> str:
    """The colours that are used, in percent of red, green and blue."""
    palette = painted.getpalette("RGB") or []
    channels = [[round(value * 100 / 255) for value in palette[3 * index : 3 * index + 3]] for index in used]
    return "".join(f"#{index};2;{red};{green};{blue}" for index, (red, green, blue) in zip(used, channels, strict=True))


def _band(pixels: bytes, width: int) -> str:
    """Six rows at most: for each colour of them one row of sixels, over the ones before it."""
    rows: dict[int, bytearray] = {}
    for place, colour in enumerate(pixels):
        row = rows.get(colour)
        if row is None:
            row = rows[colour] = bytearray([_EMPTY]) * width
        row[place % width] += 1 << place // width
    return "$".join(f"#{colour}{_packed(row)}" for colour, row in rows.items()) + "-"


def _packed(row: bytearray) -> str:
    text = row.decode("ascii").rstrip("?")
    return _RUN.sub(lambda run: f"!{len(run[0])}{run[1]}", text)
