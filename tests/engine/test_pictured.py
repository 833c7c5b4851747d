"""A prompt with pictures as one row of numbers."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as some

from duihua.engine.pictured import number_of, pictured_ids, stretched
from duihua.image import Image
from duihua.request import GenerationRequest, PlacedImage
from duihua.sampling import Decoding

CAT, DOG = Image(b"cat", 4, 3), Image(b"dog", 4, 3)
Part = tuple[Image, int, int] | int  # a picture, its ids and its tokens; or an id


def asked(parts: list[Part]) -> GenerationRequest:
    ids: list[int] = []
    images: list[PlacedImage] = []
    for part in parts:
        if isinstance(part, int):
            ids.append(part)
        else:
            image, width, tokens = part
            images.append(PlacedImage(image, len(ids), len(ids) + width, tokens))
            ids += [7] * width
    return GenerationRequest(
        request_id="1", token_ids=tuple(ids), decoding=Decoding(max_tokens=1), images=tuple(images)
    )


pictures = some.tuples(some.sampled_from([CAT, DOG]), some.integers(1, 3), some.integers(1, 9))


@given(some.lists(some.one_of(some.integers(0, 9), pictures)))
def test_each_picture_is_as_long_as_its_tokens_and_stands_where_it_is_said_to(parts: list[Part]) -> None:
    request = asked(parts)
    row = pictured_ids(request)
    assert len(row) == request.prompt_tokens
    places = stretched(request.images)
    for placed, (start, stop) in zip(request.images, places, strict=True):
        assert row[start:stop] == [number_of(placed.image)] * placed.tokens
    outside = [number for number in row if number >= 0]
    assert outside == [part for part in parts if isinstance(part, int)]


def test_pictures_are_unlike_each_other_and_unlike_ids_wherever_they_come_from() -> None:
    again = Image(b"cat", 4, 3, name="another name")
    assert number_of(CAT) == number_of(again) < 0
    request = asked([1, (CAT, 1, 4), 2])
    (placed,) = request.images
    assert pictured_ids(request) != pictured_ids(replace(request, images=(replace(placed, image=DOG),)))
