"""Drawings: the same for the same picture, and what is in the picture can be seen."""

from random import Random

import numpy as np
from demo.vision.drawing import draw
from demo.vision.picture import DIGITS, Picture, alike, alone, mixed
from PIL import Image


def pictures(count: int = 60) -> list[Picture]:
    rng = Random(4)
    return [make(rng) for make in (alone, mixed, alike) for _ in range(count // 3)]


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(float)


def test_a_picture_is_drawn_the_same_each_time():
    for picture in pictures():
        assert draw(picture).tobytes() == draw(picture).tobytes()


def test_a_picture_has_its_size_in_rgb():
    for picture in pictures():
        image = draw(picture)
        assert (image.mode, image.size) == ("RGB", (picture.width, picture.height))


def test_another_seed_is_another_drawing_of_the_same_things():
    one = pictures()[0]
    assert draw(one).tobytes() != draw(Picture(one.things, one.width, one.height, one.seed + 1)).tobytes()


def test_every_thing_stands_out_from_the_ground():
    for picture in pictures(150):
        image, faint = pixels(draw(picture)), 0
        ground = np.median(image[:2].reshape(-1, 3), axis=0)
        for thing in (thing for thing in picture.things if thing.kind.shape not in DIGITS):
            left, top = int(thing.x - thing.radius), int(thing.y - thing.radius)
            side = int(2 * thing.radius)
            box = image[max(0, top) : top + side, max(0, left) : left + side]
            apart = np.linalg.norm(box - ground, axis=-1)
            faint += bool((apart > 45).mean() < 0.15)
        assert not faint, picture
