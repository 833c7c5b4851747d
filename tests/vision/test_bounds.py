import pytest

from duihua.errors import InvalidImage
from duihua.vision.bounds import Bounds, Budget, check_bytes, check_count, check_size
from duihua.vision.read import read_bytes
from vision.pictures import encoded, flag


def test_a_bound_is_more_than_nothing() -> None:
    with pytest.raises(ValueError, match="max_pixels"):
        Bounds(max_pixels=0)


def test_what_is_just_within_a_bound_is_taken() -> None:
    check_bytes(100, Bounds(max_bytes=100))
    check_size(10, 20, Bounds(max_pixels=200, max_side=20))


def test_a_refusal_says_the_bound_and_the_cure() -> None:
    with pytest.raises(InvalidImage, match=r"a\.png: .* larger than the 100 bytes .* save it as JPEG") as refused:
        check_bytes(101, Bounds(max_bytes=100), "a.png")
    assert refused.value.why == "bytes"
    with pytest.raises(InvalidImage, match="10 x 20 pixels and may have 199 in all: make it smaller") as refused:
        check_size(10, 20, Bounds(max_pixels=199))
    assert refused.value.why == "pixels"
    with pytest.raises(InvalidImage, match="10 x 20 pixels and no side may be longer than 19") as refused:
        check_size(10, 20, Bounds(max_side=19))
    assert refused.value.why == "side"


def test_the_pictures_of_a_request_are_counted_and_added_up() -> None:
    image = read_bytes(encoded(flag()))
    bounds = Bounds(max_images=3, max_total_bytes=3 * len(image.data))
    check_count([], bounds)
    check_count([image] * 3, bounds)
    with pytest.raises(InvalidImage, match="there are 4 pictures and at most 3") as refused:
        check_count([image] * 4, bounds)
    assert refused.value.why == "count"
    with pytest.raises(InvalidImage, match=rf"the 3 pictures have {3 * len(image.data)} bytes together") as refused:
        check_count([image] * 3, Bounds(max_total_bytes=3 * len(image.data) - 1))
    assert refused.value.why == "total"


def test_a_budget_is_for_all_of_them() -> None:
    budget = Budget(Bounds(max_total_bytes=100))
    budget.take(60)
    budget.take(40)
    with pytest.raises(InvalidImage, match="more than 100 bytes together") as refused:
        budget.take(1)
    assert refused.value.why == "total"
