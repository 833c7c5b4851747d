"""What is in a picture, as data: up to five things, each a shape or a digit in a colour."""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from math import hypot
from random import Random
from typing import Final, Literal, TypeAlias

SHAPES: Final = ("circle", "square", "triangle", "star", "diamond", "cross", "heart")
DIGITS: Final = tuple("0123456789")
COLOURS: Final = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "black", "white")
MOST: Final = 5  # things in a picture

Side: TypeAlias = Literal["left", "right", "above", "below"]
SIDES: Final[tuple[Side, ...]] = ("left", "right", "above", "below")
OPPOSITE: Final[dict[Side, Side]] = {"left": "right", "right": "left", "above": "below", "below": "above"}

# Hue in degrees, saturation, value: the lowest and the highest of each.
_SHADES: Final = {
    "red": ((-8, 8), (0.75, 1.0), (0.7, 1.0)),
    "orange": ((22, 38), (0.85, 1.0), (0.92, 1.0)),
    "yellow": ((51, 61), (0.75, 1.0), (0.9, 1.0)),
    "green": ((95, 145), (0.55, 1.0), (0.42, 0.9)),
    "blue": ((206, 241), (0.7, 1.0), (0.6, 1.0)),
    "purple": ((266, 300), (0.5, 1.0), (0.42, 0.8)),
    "pink": ((326, 350), (0.25, 0.58), (0.94, 1.0)),
    "black": ((0, 360), (0.0, 0.3), (0.0, 0.13)),
    "white": ((0, 360), (0.0, 0.03), (0.95, 1.0)),
}
_ASPECTS: Final = ((1, 1), (1, 1), (1, 1), (4, 3), (3, 4), (3, 2), (2, 3), (16, 9), (9, 16), (2, 1), (1, 2))
_RADII: Final = {1: (0.16, 0.44), 2: (0.12, 0.26), 3: (0.11, 0.21), 4: (0.1, 0.18), 5: (0.1, 0.17)}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a thing is called: shape and colour."""

    shape: str  # of SHAPES or DIGITS
    colour: str

    @property
    def held(self) -> bool:
        """Whether no picture of training shows this shape in this colour: two of the nine colours of every shape."""
        return (COLOURS.index(self.colour) + 2 * (*SHAPES, *DIGITS).index(self.shape)) % len(COLOURS) in (1, 5)


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing and where it stands; lengths are in pixels of the picture."""

    kind: Kind
    x: float  # of its centre, from the left
    y: float  # of its centre, from the top
    radius: float  # of the circle around it
    turn: float = 0.0  # degrees

    def side_of(self, other: "Thing") -> Side | None:
        """Where it clearly stands as seen from the other thing; None where that may be disputed."""
        dx, dy, apart = self.x - other.x, self.y - other.y, 0.8 * (self.radius + other.radius)
        if abs(dx) > max(1.6 * abs(dy), apart):
            return "left" if dx < 0 else "right"
        if abs(dy) > max(1.6 * abs(dx), apart):
            return "above" if dy < 0 else "below"
        return None


@dataclass(frozen=True, slots=True)
class Picture:
    """Things from left to right, and the seed of all that is not asked about: ground, noise, shades."""

    things: tuple[Thing, ...]
    width: int  # pixels
    height: int
    seed: int

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """One for each thing, from left to right."""
        return tuple(thing.kind for thing in self.things)


def draw_kind(rng: Random, *, held: bool = False, digit: bool = False) -> Kind:
    """A shape, or a digit, in a colour: a pair of training or one that is held out."""
    while True:
        kind = Kind(rng.choice(DIGITS if digit else SHAPES), rng.choice(COLOURS))
        if kind.held == held:
            return kind


def draw_kinds(rng: Random, count: int, *, held: bool = False) -> list[Kind]:
    """Kinds that all differ."""
    kinds: dict[Kind, None] = {}
    while len(kinds) < count:
        kinds[draw_kind(rng, held=held)] = None
    return list(kinds)


def alone(rng: Random, *, held: bool = False, digit: bool = False) -> Picture:
    """One thing."""
    return arranged(rng, [draw_kind(rng, held=held, digit=digit)])


def alike(rng: Random, *, held: bool = False) -> Picture:
    """One to five of one kind."""
    return arranged(rng, [draw_kind(rng, held=held)] * rng.randint(1, MOST))


def mixed(rng: Random, *, held: bool = False) -> Picture:
    """Two to five things of two or three kinds."""
    count = rng.randint(2, MOST)
    kinds = draw_kinds(rng, min(count, rng.choice((2, 2, 3))), held=held)
    return arranged(rng, [*kinds, *rng.choices(kinds, k=count - len(kinds))])


def pair(rng: Random, *, held: bool = False) -> Picture:
    """Two things that differ, one clearly beside or above the other."""
    kinds = draw_kinds(rng, 2, held=held)
    return _until(lambda p: p.things[0].side_of(p.things[1]) is not None, lambda: arranged(rng, kinds))


def sized(rng: Random, *, held: bool = False) -> Picture:
    """Two things that differ, one clearly bigger."""
    kinds = draw_kinds(rng, 2, held=held)
    return _until(lambda p: bigger(p) is not None, lambda: arranged(rng, kinds, wide=True))


def bigger(picture: Picture) -> tuple[Thing, Thing] | None:
    """Of two things the clearly bigger one and the other; None where there is none."""
    if len(picture.things) != 2:
        return None
    small, big = sorted(picture.things, key=lambda thing: thing.radius)
    return (big, small) if big.radius >= 1.5 * small.radius else None


def arranged(rng: Random, kinds: list[Kind], *, wide: bool = False) -> Picture:
    """A picture of any size with these things where they do not touch; `wide` lets their sizes differ more."""
    width, height = _size(rng)
    low, high = _RADII[len(kinds)]
    return _until(lambda _: True, lambda: _placed(rng, kinds, (width, height), (low, high * (1 + 0.3 * wide))))


def _until(good: Callable[[Picture], bool], make: Callable[[], Picture | None]) -> Picture:
    while True:
        found = make()
        if found is not None and good(found):
            return found


def _size(rng: Random) -> tuple[int, int]:
    """Width and height in pixels, most pictures small, about one in ten larger than 320."""
    across, down = rng.choice(_ASPECTS)
    long = 112 if rng.random() < 0.35 else round(56 * 2 ** rng.triangular(0.2, 3.2, 1.2))
    return max(40, round(long * min(1, across / down))), max(40, round(long * min(1, down / across)))


def _placed(rng: Random, kinds: list[Kind], size: tuple[int, int], radii: tuple[float, float]) -> Picture | None:
    """The things at random places; None where there is no room for one."""
    (width, height), things = size, list[Thing]()
    unit, alike_in_size = (width * height) ** 0.5, rng.random() < 0.5
    radius = rng.uniform(*radii)
    for kind in kinds:
        radius = radius if alike_in_size and radii[1] < 0.3 else rng.uniform(*radii)
        r = min(radius * unit, 0.47 * min(width, height))
        for _ in range(12):
            x, y = rng.uniform(r, width - r), rng.uniform(r, height - r)
            if all(hypot(x - t.x, y - t.y) > 1.12 * (r + t.radius) for t in things):
                things.append(Thing(kind, x, y, r, _turn(rng, kind)))
                break
        else:
            return None
    return Picture(tuple(sorted(things, key=lambda t: t.x)), width, height, rng.getrandbits(48))


def _turn(rng: Random, kind: Kind) -> float:
    """A square on its corner would be a diamond, a six upside down a nine."""
    return rng.uniform(-14, 14) if rng.random() < 0.5 else 180.0 * (kind.shape == "triangle" and rng.random() < 0.2)


def shade(rng: Random, colour: str) -> tuple[int, int, int]:
    """Red, green and blue (0 to 255) of one of the shades that go by this name."""
    hue, saturation, value = (rng.uniform(*ends) for ends in _SHADES[colour])
    red, green, blue = colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
