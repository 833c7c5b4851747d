"""What is in a picture: things with room around them, of pairs that are of training or held out."""

from math import hypot
from random import Random

import pytest
from demo.vision.picture import (
    COLOURS,
    DIGITS,
    OPPOSITE,
    SHAPES,
    Kind,
    Picture,
    Thing,
    alike,
    alone,
    bigger,
    draw_kind,
    mixed,
    pair,
    shade,
    sized,
)

MAKERS = (alone, alike, mixed, pair, sized)
KINDS = [Kind(shape, colour) for shape in (*SHAPES, *DIGITS) for colour in COLOURS]


def pictures(*, held: bool = False) -> list[Picture]:
    rng = Random(1)
    return [make(rng, held=held) for make in MAKERS for _ in range(80)]


def test_every_shape_and_digit_has_two_held_out_colours_and_every_colour_some_held_out_shape():
    held = [kind for kind in KINDS if kind.held]
    for shape in (*SHAPES, *DIGITS):
        assert sum(kind.shape == shape for kind in held) == 2
    assert {kind.colour for kind in held if kind.shape in SHAPES} == set(COLOURS)


def test_pairs_are_of_training_or_held_out_never_both():
    assert not any(kind.held for picture in pictures() for kind in picture.kinds)
    assert all(kind.held for picture in pictures(held=True) for kind in picture.kinds)
    trained = {draw_kind(Random(seed)) for seed in range(4000)}
    assert trained == {kind for kind in KINDS if kind.shape in SHAPES and not kind.held}


def test_things_do_not_touch_each_other_or_the_edge_and_stand_from_left_to_right():
    for picture in pictures():
        things = picture.things
        assert 1 <= len(things) <= 5
        assert list(things) == sorted(things, key=lambda thing: thing.x)
        for at, one in enumerate(things):
            assert one.radius <= one.x <= picture.width - one.radius
            assert one.radius <= one.y <= picture.height - one.radius
            assert all(hypot(one.x - o.x, one.y - o.y) > one.radius + o.radius for o in things[:at])


def test_two_to_be_placed_are_clearly_placed_and_two_to_be_sized_clearly_sized():
    rng = Random(2)
    for _ in range(100):
        one, other = pair(rng).things
        side = one.side_of(other)
        assert side is not None
        assert other.side_of(one) == OPPOSITE[side]
        assert bigger(sized(rng)) is not None


@pytest.mark.parametrize(
    ("x", "y", "side"), [(10, 52, "left"), (90, 48, "right"), (50, 5, "above"), (48, 95, "below"), (30, 30, None)]
)
def test_a_side_is_where_the_coordinates_say(x: float, y: float, side: str | None):
    middle = Thing(Kind("circle", "red"), 50, 50, 10)
    assert Thing(Kind("star", "blue"), x, y, 10).side_of(middle) == side


def test_pictures_come_in_many_sizes():
    sizes = {(picture.width, picture.height) for picture in pictures()}
    assert len(sizes) > 100
    assert any(width > 250 for width, _ in sizes)
    assert all(0.48 < width / height < 2.1 or min(width, height) == 40 for width, height in sizes)


def test_shades_of_different_colours_are_never_equal():
    rng = Random(3)
    seen: dict[tuple[int, int, int], str] = {}
    for _ in range(3000):
        colour = rng.choice(COLOURS)
        assert seen.setdefault(shade(rng, colour), colour) == colour
