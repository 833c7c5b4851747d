import base64

import pytest
from PIL import Image as Pillow

from duihua.errors import InvalidImage
from duihua.vision.bounds import Bounds
from duihua.vision.known import KnownImages
from vision.pictures import encoded, flag

FILE = encoded(flag())
URL = "data:image/png;base64," + base64.b64encode(FILE).decode()


def test_a_known_picture_is_the_same_object() -> None:
    known = KnownImages()
    first = known.read_data_url(URL)
    assert known.read_data_url(URL) is first
    assert known.read_bytes(bytes(bytearray(FILE))) is first
    assert (first.data, first.width, first.height) == (FILE, 16, 32)


def test_a_known_picture_may_have_another_name() -> None:
    known = KnownImages()
    first, second = known.read_bytes(FILE, name="a.png"), known.read_bytes(FILE, name="b.png")
    assert (first.name, second.name, first) == ("a.png", "b.png", second)
    assert len(known) == 1


def test_the_bounds_hold_for_a_known_picture_too() -> None:
    known = KnownImages()
    known.read_bytes(FILE)
    for bounds, why in [
        (Bounds(max_bytes=10), "bytes"), (Bounds(max_pixels=10), "pixels"), (Bounds(max_side=20), "side")
    ]:  # fmt: skip
        with pytest.raises(InvalidImage) as refused:
            known.read_bytes(FILE, bounds=bounds)
        assert refused.value.why == why


def test_what_was_refused_is_not_known() -> None:
    known = KnownImages()
    for _ in range(2):
        with pytest.raises(InvalidImage):
            known.read_bytes(FILE[:50])
    assert len(known) == 0


def test_the_least_recently_read_is_forgotten() -> None:
    files = [encoded(Pillow.new("RGB", (8, 8), (shade, 0, 0))) for shade in range(3)]
    known = KnownImages(max_bytes=len(files[0]) + max(len(file) for file in files[1:]))
    first, second = known.read_bytes(files[0]), known.read_bytes(files[1])
    assert known.read_bytes(files[0]) is first
    known.read_bytes(files[2])
    assert len(known) == 2
    assert known.read_bytes(files[0]) is first
    assert known.read_bytes(files[1]) is not second


def test_what_is_larger_than_all_it_may_hold_is_not_remembered() -> None:
    known = KnownImages(max_bytes=10)
    assert known.read_bytes(FILE).width == 16
    assert len(known) == 0
