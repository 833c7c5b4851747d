"""Draws a picture: its things on some ground, smooth or jagged, clean or noisy, sharp or blurred."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from io import BytesIO
from math import cos, pi, sin
from random import Random
from typing import Final, TypeAlias

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from demo.vision.picture import Picture, Thing, shade

Colour: TypeAlias = tuple[int, int, int]
Points: TypeAlias = Sequence[tuple[float, float]]

_APART: Final = 95.0  # least distance of a thing's colour from the ground, in RGB


def _round(corners: int, *radii: float, first: float = -90.0) -> Points:
    """Corners at equal angles from the top, their distances from the centre in turn."""
    angles = [(first + 360 * at / corners) * pi / 180 for at in range(corners)]
    return [(cos(a) * radii[at % len(radii)], sin(a) * radii[at % len(radii)]) for at, a in enumerate(angles)]


def _heart() -> Points:
    turns = [2 * pi * at / 36 for at in range(36)]
    down = [-(13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)) for t in turns]
    return [(sin(t) ** 3 * 16 / 17.0, (y - 2.5) / 17.0) for t, y in zip(turns, down, strict=True)]


_ARM: Final = 0.34
_CROSS: Final = [
    *((-_ARM, -1), (_ARM, -1), (_ARM, -_ARM), (1, -_ARM), (1, _ARM), (_ARM, _ARM)),
    *((_ARM, 1), (-_ARM, 1), (-_ARM, _ARM), (-1, _ARM), (-1, -_ARM), (-_ARM, -_ARM)),
]
# Outlines within the circle of radius 1, y down.
OUTLINES: Final[Mapping[str, Points]] = {
    "circle": _round(48, 0.95),
    "square": _round(4, 1.0, first=-45),
    "triangle": _round(3, 1.0),
    "star": _round(10, 1.0, 0.42),
    "diamond": _round(4, 1.0, 0.62),
    "cross": [(0.95 * x, 0.95 * y) for x, y in _CROSS],
    "heart": _heart(),
}
# The seven bars of a digit, from the top by the right around to the left, then the middle one.
_BARS: Final = (
    (-1, -2, 1, -2),
    (1, -2, 1, 0),
    (1, 0, 1, 2),
    (-1, 2, 1, 2),
    (-1, 0, -1, 2),
    (-1, -2, -1, 0),
    (-1, 0, 1, 0),
)
_LIT: Final = ("012345", "12", "01346", "01236", "1256", "02356", "023456", "012", "0123456", "012356")


def draw(picture: Picture) -> Image.Image:
    """The picture in RGB, width by height; the same for the same picture."""
    rng = Random(f"drawing/{picture.seed}")
    colours = [shade(rng, kind.colour) for kind in picture.kinds]
    smooth = rng.random() < 0.8
    scale = (2 if max(picture.width, picture.height) > 200 else 3) if smooth else 1
    image = _ground(rng, (picture.width, picture.height), colours)
    image = image.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    for thing, colour in zip(picture.things, colours, strict=True):
        _put(image, thing, colour, scale, rng)
    return _worn(image.reduce(scale) if scale > 1 else image, rng)


def _put(image: Image.Image, thing: Thing, colour: Colour, scale: int, rng: Random) -> None:
    """Draw one thing."""
    pen = ImageDraw.Draw(image)
    radius = thing.radius * scale
    if thing.kind.shape not in OUTLINES:
        _put_digit(image, thing, colour, scale, rng)
        return
    turn = thing.turn * pi / 180
    points = [
        (
            thing.x * scale + radius * (x * cos(turn) - y * sin(turn)),
            thing.y * scale + radius * (x * sin(turn) + y * cos(turn)),
        )
        for x, y in OUTLINES[thing.kind.shape]
    ]
    roll = rng.random()
    if roll < 0.08 and radius > 10 * scale:
        pen.polygon(points, outline=colour, width=max(2, round(radius * 0.24)))
    elif roll < 0.2:
        pen.polygon(
            points, fill=colour, outline=rng.choice(((20, 20, 20), (240, 240, 240))), width=round(radius * 0.07)
        )
    else:
        pen.polygon(points, fill=colour)


def _put_digit(image: Image.Image, thing: Thing, colour: Colour, scale: int, rng: Random) -> None:
    side = round(2 * thing.radius * scale)
    mask = (_typed if rng.random() < 0.55 else _barred)(thing.kind.shape, side, rng).rotate(thing.turn)
    at = round(thing.x * scale - side / 2), round(thing.y * scale - side / 2)
    image.paste(colour, (*at, at[0] + side, at[1] + side), mask)


def _typed(digit: str, side: int, rng: Random) -> Image.Image:
    """The digit in Pillow's own typeface, thin or bold."""
    mask = Image.new("L", (side, side))
    pen, bold = ImageDraw.Draw(mask), rng.choice((0, 0.01, 0.03))
    width = round(side * bold)
    pen.text((side / 2, side / 2), digit, 255, _font(round(side * 0.95)), anchor="mm", stroke_width=width)
    return mask


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(8, size))


def _barred(digit: str, side: int, rng: Random) -> Image.Image:
    """The digit in seven bars, as clocks show it."""
    mask = Image.new("L", (side, side))
    pen, unit, width = ImageDraw.Draw(mask), side * 0.2, max(2, round(side * rng.uniform(0.08, 0.14)))
    for bar in _LIT[int(digit)]:
        x0, y0, x1, y1 = (side / 2 + unit * part for part in _BARS[int(bar)])
        pen.line((x0, y0, x1, y1), 255, width)
        for x, y in ((x0, y0), (x1, y1)):
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), 255)
    return mask


def _ground(rng: Random, size: tuple[int, int], colours: Sequence[Colour]) -> Image.Image:
    """Plain, graded, striped or mottled; every thing stands out from it."""
    one, other = _far_from(rng, colours), _far_from(rng, colours)
    roll = rng.random()
    if roll < 0.6:
        return Image.new("RGB", size, one)
    if roll < 0.75:
        return _blend(_graded(rng, size), one, _near(one, other, 0.6, colours))
    if roll < 0.87:
        return _blend(_striped(rng, size), one, _near(one, other, 0.35, colours))
    return _blend(_mottled(rng, size), one, _near(one, other, 0.35, colours))


def _blend(mask: Image.Image, one: Colour, other: Colour) -> Image.Image:
    return Image.composite(Image.new("RGB", mask.size, other), Image.new("RGB", mask.size, one), mask)


def _near(one: Colour, other: Colour, share: float, colours: Sequence[Colour]) -> Colour:
    """As far from one towards the other as no thing's colour comes too near."""
    while share > 0.02:
        mixed = tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
        if all(_distance(mixed, colour) >= 0.8 * _APART for colour in colours):
            return mixed[0], mixed[1], mixed[2]
        share *= 0.6
    return one


def _graded(rng: Random, size: tuple[int, int]) -> Image.Image:
    ramp = Image.linear_gradient("L") if rng.random() < 0.7 else Image.radial_gradient("L")
    return ramp.rotate(rng.choice((0, 90, 180, 270))).resize(size)


def _mottled(rng: Random, size: tuple[int, int]) -> Image.Image:
    spots = _dice(rng).integers(0, 256, (max(2, size[1] // 8), max(2, size[0] // 8)), np.uint8)
    return Image.fromarray(spots).resize(size, Image.Resampling.BICUBIC)


def _striped(rng: Random, size: tuple[int, int]) -> Image.Image:
    """Stripes across or down, or both: squares."""
    across, down = (Image.new("L", size) for _ in "ab")
    step = max(4, round(min(size) / rng.randint(3, 10)))
    for at in range(0, max(size), 2 * step):
        ImageDraw.Draw(across).rectangle((0, at, size[0], at + step - 1), 255)
        ImageDraw.Draw(down).rectangle((at, 0, at + step - 1, size[1]), 255)
    return rng.choice((across, down, ImageChops.difference(across, down)))


def _far_from(rng: Random, colours: Sequence[Colour]) -> Colour:
    """A colour of the ground, white or nearly so as often as not."""
    best = max((_any_ground(rng) for _ in range(3)), key=lambda colour: _gap(colour, colours))
    for _ in range(12):
        found = _any_ground(rng)
        if _gap(found, colours) >= _APART:
            return found
        best = max(best, found, key=lambda colour: _gap(colour, colours))
    grey = max(((v, v, v) for v in (70, 128, 185)), key=lambda colour: _gap(colour, colours))
    return max(best, grey, key=lambda colour: _gap(colour, colours))


def _any_ground(rng: Random) -> Colour:
    roll = rng.random()
    if roll < 0.45:
        light = rng.choice((255, 255, rng.randint(225, 255)))
        return light, light, light
    if roll < 0.65:
        grey = rng.randint(0, 220)
        return grey, grey, grey
    return rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255)


def _gap(colour: Colour, colours: Sequence[Colour]) -> float:
    return min(_distance(colour, other) for other in colours)


def _distance(one: Sequence[int], other: Sequence[int]) -> float:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5


def _worn(image: Image.Image, rng: Random) -> Image.Image:
    """The picture after what happens to pictures: blur, noise, a JPEG file."""
    wear: tuple[tuple[float, Callable[[Image.Image, Random], Image.Image]], ...] = (
        (0.25, _blurred),
        (0.3, _noisy),
        (0.15, _squeezed),
    )
    for chance, change in wear:
        if rng.random() < chance:
            image = change(image, rng)
    return image


def _blurred(image: Image.Image, rng: Random) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.003, 0.014) * max(image.size)))


def _noisy(image: Image.Image, rng: Random) -> Image.Image:
    pixels = np.asarray(image).astype(np.float32)
    noise = _dice(rng).standard_normal(pixels.shape, np.float32)
    return Image.fromarray((pixels + noise * rng.uniform(3, 18)).clip(0, 255).astype(np.uint8))


def _squeezed(image: Image.Image, rng: Random) -> Image.Image:
    file = BytesIO()
    image.save(file, "JPEG", quality=rng.randint(35, 95))
    return Image.open(file).convert("RGB")


def _dice(rng: Random) -> np.random.Generator:
    """NumPy's random numbers, as this generator has it."""
    return np.random.default_rng(rng.getrandbits(48))
