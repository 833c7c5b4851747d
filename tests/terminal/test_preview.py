import base64
import re
from io import BytesIO

import pytest
from PIL import Image as Pillow

from duihua.image import Image
from duihua.terminal.preview import preview
from duihua.vision.read import read_pixels
from vision.pictures import flag

KITTY = re.compile(r"\x1b_G(?P<keys>[a-zA-Z0-9=,]+);(?P<data>[A-Za-z0-9+/=]*)\x1b\\")
ITERM2 = re.compile(r"\x1b\]1337;File=(?P<keys>[a-zA-Z0-9=;]+):(?P<data>[A-Za-z0-9+/=]+)\x07")


def picture(width: int, height: int) -> Image:
    noise = Pillow.effect_noise((width, height), 100)  # so that its PNG is large
    return read_pixels(noise, name="a\x1b[2J\x07.png")


def of_kitty(sequence: str) -> tuple[Pillow.Image, list[str]]:
    parts = list(KITTY.finditer(sequence))
    assert "".join(part[0] for part in parts) == sequence
    assert all(len(part["data"]) <= 4096 for part in parts)
    keys = [part["keys"] for part in parts]
    assert [key.rpartition("m=")[2] for key in keys] == ["1"] * (len(keys) - 1) + ["0"]
    data = base64.b64decode("".join(part["data"] for part in parts))
    return Pillow.open(BytesIO(data)), keys


def test_kitty_is_told_in_parts_and_to_answer_nothing() -> None:
    shown, keys = of_kitty(preview(picture(1600, 1000), "kitty"))
    assert shown.size == (320, 200)
    assert keys[0] == "a=T,f=100,q=2,c=32,m=1"
    assert len(keys) > 2


def test_iterm2_is_told_at_once_and_nothing_of_the_picture_s_name() -> None:
    sequence = preview(picture(100, 400), "iterm2")
    found = ITERM2.fullmatch(sequence)
    assert found
    data = base64.b64decode(found["data"])
    assert found["keys"] == f"inline=1;size={len(data)};height=10;preserveAspectRatio=1"
    assert Pillow.open(BytesIO(data)).size == (50, 200)


@pytest.mark.parametrize(
    ("size", "cells"),
    [((16, 16), "r=1"), ((3000, 4), "c=32"), ((4, 3000), "r=10"), ((320, 200), "c=32"), ((100, 100), "r=5")],
)
def test_it_never_takes_more_room_than_it_may_and_is_not_blown_up(size: tuple[int, int], cells: str) -> None:
    shown, keys = of_kitty(preview(picture(*size), "kitty"))
    assert shown.width <= min(size[0], 320)
    assert shown.height <= min(size[1], 200)
    assert cells in keys[0].split(",")


@pytest.mark.parametrize(("size", "drawn"), [((1600, 1000), (240, 150)), ((100, 400), (40, 160)), ((16, 16), (16, 16))])
def test_sixel_is_told_in_the_terminal_s_own_pixels(size: tuple[int, int], drawn: tuple[int, int]) -> None:
    sequence = preview(picture(*size), "sixel")
    assert sequence.startswith(f'\x1bP0;1;0q"1;1;{drawn[0]};{drawn[1]}#')
    assert sequence.endswith("-\x1b\\")
    assert sequence[1:-2].isprintable()
    assert sequence[1:-2].isascii()


def test_it_is_the_picture() -> None:
    shown, _ = of_kitty(preview(read_pixels(flag()), "kitty"))
    assert (shown.mode, shown.tobytes()) == ("RGB", flag().tobytes())
