"""What a message says: words and pictures taken apart, put together, and read from OpenAI's form."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from duihua.content import ImageAt, check_places, gather, read_content, scatter, write_content
from duihua.errors import InvalidImage, InvalidMessages, UnsupportedFeature
from duihua.image import Image
from duihua.vision.read import read_pixels

CAT, DOG = Image(b"cat", 4, 3, name="cat.png"), Image(b"dog", 8, 6, media_type="image/jpeg")
READ = {"cat://": CAT, "dog://": DOG}.__getitem__


def refuse(source: object) -> Image:
    if isinstance(source, str):
        raise InvalidImage("it is broken", why="kind")
    raise TypeError


def url(value: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": value}


parts = st.lists(st.text(max_size=3) | st.sampled_from([CAT, DOG]), max_size=8)


@given(parts)
def test_what_is_gathered_is_scattered_in_the_same_order(given_parts: list[str | Image]) -> None:
    content, images = gather(given_parts)
    check_places(content, images)
    scattered = scatter(content, images)
    assert "" not in scattered
    assert [part for part in scattered if isinstance(part, Image)] == [p for p in given_parts if isinstance(p, Image)]
    assert gather(scattered) == (content, images)
    assert content == "".join(part for part in given_parts if isinstance(part, str))


@given(parts)
def test_what_is_written_is_read_again(given_parts: list[str | Image]) -> None:
    pictures = {"data:image/png;base64,Y2F0": CAT, "data:image/jpeg;base64,ZG9n": DOG}
    content, images = gather(given_parts)
    assert read_content(write_content(content, images), index=0, read_image=pictures.__getitem__) == (content, images)


def test_words_alone_stay_a_string_and_pictures_are_data_urls() -> None:
    assert write_content("a", ()) == "a"
    assert write_content("ab", [ImageAt(1, CAT), ImageAt(2, DOG)]) == [
        {"type": "text", "text": "a"},
        url({"url": "data:image/png;base64,Y2F0"}),
        {"type": "text", "text": "b"},
        url({"url": "data:image/jpeg;base64,ZG9n"}),
    ]


def test_openai_s_parts_are_read_with_the_pictures_that_their_urls_lead_to() -> None:
    value = [url({"url": "cat://", "detail": "auto"}), {"type": "text", "text": "and"}, url("dog://")]
    assert read_content(value, index=0, read_image=READ) == ("and", (ImageAt(0, CAT), ImageAt(3, DOG)))


def test_strings_and_pictures_may_stand_beside_openai_s_parts() -> None:
    value = ["a", CAT, {"type": "text", "text": "and"}, (url("dog://")), "b"]
    assert read_content(value, index=0, read_image=READ) == ("aandb", (ImageAt(1, CAT), ImageAt(4, DOG)))


@pytest.mark.parametrize("detail", [None, "auto", "high", "low"])
def test_detail_says_how_many_pixels_are_enough(detail: str | None) -> None:
    pixels = Pillow.new("RGB", (1200, 300), "red")
    _, (placed,) = read_content(
        [url({"url": "cat://", "detail": detail})], index=0, read_image=lambda _: read_pixels(pixels)
    )
    assert (placed.image.width, placed.image.height) == ((512, 128) if detail == "low" else (1200, 300))


def test_a_picture_is_refused_by_name_where_none_is_read() -> None:
    with pytest.raises(UnsupportedFeature, match="content part 'image_url'"):
        read_content([url({"url": "cat://"})], index=0)
    with pytest.raises(
        InvalidMessages, match=r"messages\[2\].content\[1\] is a Image: .* only where pictures are read"
    ):
        read_content(["a", CAT], index=2)


def test_a_picture_without_a_name_that_cannot_be_taken_is_named_by_its_place() -> None:
    with pytest.raises(InvalidImage, match=r"^messages\[2\].content\[1\]: it is broken") as caught:
        read_content(["a", url("broken://")], index=2, read_image=refuse)
    assert (caught.value.why, caught.value.name) == ("kind", "messages[2].content[1]")
    with pytest.raises(InvalidMessages, match=r"messages\[2\].content\[1\] is a int: give a string, or a picture"):
        read_content(["a", 5], index=2, read_image=refuse)


@pytest.mark.parametrize(
    ("value", "error", "why"),
    [
        ([url({})], InvalidMessages, "needs image_url"),
        ([url(None)], InvalidMessages, "needs image_url"),
        ([url({"url": b"cat"})], InvalidMessages, r"messages\[0\].content\[0\] needs image_url: .* it is a bytes"),
        ([url({"url": "cat://", "detail": "medium"})], UnsupportedFeature, "detail 'medium' .*'auto', 'low' or 'high'"),
        ([url({"url": "cat://", "detail": ["low"]})], UnsupportedFeature, "detail"),
        ([url({"url": "cat://", "size": 4})], InvalidMessages, "unknown keys .'size'.: it may have .'detail', 'url'."),
        ([{"type": "input_audio"}], UnsupportedFeature, "content part 'input_audio'"),
        ([{"type": "text", "text": None}], InvalidMessages, "lacks its text"),
        (["\ud800"], InvalidMessages, "half a character"),
        (CAT, InvalidMessages, "content is a Image"),
    ],
)
def test_what_is_no_content_is_refused(value: object, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        read_content(value, index=0, read_image=READ)


@pytest.mark.parametrize("places", [(-1,), (3,), (2, 1)])
def test_a_picture_stands_within_the_words_and_in_order(places: tuple[int, ...]) -> None:
    with pytest.raises(InvalidMessages, match="a picture stands at character"):
        check_places("ab", [ImageAt(at, CAT) for at in places])


def test_parts_are_words_and_pictures_only() -> None:
    with pytest.raises(InvalidMessages, match=r"content\[1\] is a int"):
        gather(["a", 5])  # pyright: ignore[reportArgumentType]
