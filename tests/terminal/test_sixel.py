"""Sixel, read again as DEC's manual says, and compared with the picture pixel by pixel."""

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from duihua.terminal.sixel import COLOURS, sixel

WHOLE = re.compile(r'\x1bP0;1;0q"1;1;(\d+);(\d+)([#!$\-0-9;?-~]*)\x1b\\')
PART = re.compile(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|(\$)|(-)")
Colour = tuple[int, ...]


def read(sequence: str) -> tuple[int, int, dict[tuple[int, int], Colour]]:
    """Width, height, and the colour of each pixel that is painted, in percent."""
    whole = WHOLE.fullmatch(sequence)
    assert whole
    colours: dict[int, Colour] = {}
    painted: dict[tuple[int, int], Colour] = {}
    x = top = colour = end = 0
    for part in PART.finditer(whole[3]):
        assert part.start() == end  # nothing stands between
        end = part.end()
        defined, red, green, blue, chosen, count, repeated, single, back, down = part.groups()
        if defined:
            colours[int(defined)] = (int(red), int(green), int(blue))
        elif chosen:
            colour = int(chosen)
        elif back or down:
            x, top = 0, top + 6 * bool(down)
        else:
            assert 0 < int(count or 1) <= 255
            bits, right = ord(repeated or single) - ord("?"), x + int(count or 1)
            rows = [top + row for row in range(6) if bits >> row & 1]
            painted |= {(column, row): colours[colour] for column in range(x, right) for row in rows}
            x = right
    assert end == len(whole[3])
    assert len(colours) <= COLOURS
    return int(whole[1]), int(whole[2]), painted


def in_percent(picture: Pillow.Image) -> dict[tuple[int, int], Colour]:
    pixels = picture.convert("RGB")
    places = [(x, y) for y in range(picture.height) for x in range(picture.width)]
    data = pixels.tobytes()
    return {
        place: tuple(round(value * 100 / 255) for value in data[3 * at : 3 * at + 3]) for at, place in enumerate(places)
    }


@given(st.integers(1, 40), st.integers(1, 20), st.integers(1, 256), st.randoms(use_true_random=False))
def test_a_picture_with_a_palette_is_drawn_as_it_is(width: int, height: int, colours: int, random: Random) -> None:
    picture = Pillow.new("P", (width, height))
    picture.putpalette(random.randbytes(3 * colours))
    picture.putdata([random.randrange(colours) for _ in range(width * height)])
    assert read(sixel(picture)) == (width, height, in_percent(picture))


@pytest.mark.parametrize("size", [(240, 160), (1, 160), (240, 1), (239, 157), (7, 6)])
def test_any_other_is_brought_to_the_colours_that_there_are(size: tuple[int, int]) -> None:
    ramps = [Pillow.linear_gradient("L").resize(size), Pillow.radial_gradient("L").resize(size)]
    picture = Pillow.merge("RGB", [*ramps, Pillow.effect_noise(size, 80)])
    assert read(sixel(picture)) == (*size, in_percent(picture.quantize(COLOURS)))


def test_what_repeats_is_written_once_with_its_number() -> None:
    red = Pillow.new("RGB", (240, 12), "#ff0000")
    assert sixel(red) == '\x1bP0;1;0q"1;1;240;12#0;2;100;0;0#0!240~-#0!240~-\x1b\\'
    wide = sixel(Pillow.new("RGB", (600, 1), "black"))
    assert re.findall(r"!(\d+)@", wide) == ["255", "255", "90"]
    stripes = Pillow.new("RGB", (5, 1), "white")
    stripes.putpixel((1, 0), (0, 0, 0))
    assert re.sub(r"#\d+(;2[;\d]+)?", "#", sixel(stripes)).endswith("#@?@@@$#?@-\x1b\\")  # a short run is written out
