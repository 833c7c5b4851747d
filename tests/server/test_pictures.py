"""Pictures of requests: in their places, within bounds, and read beside the event loop."""

from __future__ import annotations

import asyncio
import base64
from io import BytesIO
from typing import Any

import pytest
from PIL import Image as Pillow

from duihua.errors import InvalidImage, UnsupportedFeature
from duihua.image import Image
from duihua.messages import Message
from duihua.server.pictures import Pictures, Wanted
from duihua.server.settings import ServeSettings


def url_of(width: int = 8, height: int = 6, colour: str = "red") -> str:
    file = BytesIO()
    Pillow.new("RGB", (width, height), colour).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def wanted(url: str, message: int = 0, at: int = 0, **more: Any) -> Wanted:
    return Wanted(message, at, f"messages[{message}].content[0]", url, **more)


def shown(messages: list[Message], *each: Wanted, **settings: Any) -> list[Message]:
    return asyncio.run(Pictures(ServeSettings(**settings)).shown(messages, each))


def test_each_picture_stands_in_its_message_at_its_place() -> None:
    messages = [Message("user", "one"), Message("assistant", "two"), Message("user", "three")]
    one, two, three = shown(messages, wanted(url_of(4, 2)), wanted(url_of(5, 3), 2, 0), wanted(url_of(6, 4), 2, 5))
    assert [(placed.at, placed.image.width) for placed in one.images] == [(0, 4)]
    assert two is messages[1]
    assert [(placed.at, placed.image.width) for placed in three.images] == [(0, 5), (5, 6)]
    assert three.content == "three"


def test_a_low_detail_is_a_smaller_picture() -> None:
    (message,) = shown([Message("user", "x")], wanted(url_of(2000, 1000), is_low=True))
    image = message.images[0].image
    assert (image.width, image.height) == (512, 256)
    (message,) = shown([Message("user", "x")], wanted(url_of(20, 10), is_low=True))
    assert message.images[0].image.width == 20


def test_the_first_that_cannot_be_taken_is_told_by_its_place() -> None:
    broken = "data:image/png;base64,AAAA"
    with pytest.raises(InvalidImage, match=r"^messages\[2\]\.content\[0\]: this is no picture") as refused:
        shown([Message("user", "x")] * 4, wanted(url_of(), 0), wanted(broken, 2), wanted(broken, 3))
    assert (refused.value.why, refused.value.name) == ("kind", "messages[2].content[0]")


@pytest.mark.parametrize(
    ("bounds", "why"),
    [({"max_image_bytes": 20}, "bytes"), ({"max_image_pixels": 40}, "pixels"), ({"max_request_images": 1}, "count")],
)
def test_every_bound_holds(bounds: dict[str, int], why: str) -> None:
    with pytest.raises(InvalidImage) as refused:
        shown([Message("user", "x")], wanted(url_of()), wanted(url_of()), **bounds)
    assert refused.value.why == why


def test_urls_are_fetched_where_that_is_allowed_only_and_from_public_hosts_only() -> None:
    for url in (
        "http://127.0.0.1:1/a.png",
        "https://example.org/a.png",
        "file:///etc/passwd",
        "/etc/passwd",
        "a.png",
        "",
    ):
        pictures = Pictures(ServeSettings())
        with pytest.raises(UnsupportedFeature, match="--allow-image-urls"):
            pictures.check_urls([wanted(url)])
        with pytest.raises(InvalidImage):  # none of these, however it is written, is fetched or opened
            shown(
                [Message("user", "x")],
                wanted(url),
                allow_image_urls=True,
                image_domains=("127.0.0.1",),
                image_seconds=5,
            )


def test_a_picture_that_comes_again_is_known() -> None:
    """One that is decoded again would be another value."""

    async def turns() -> list[Image]:
        pictures = Pictures(ServeSettings())
        request = wanted(url_of(30, 30, "blue"))
        return [(await pictures.shown([Message("user", "x")], [request]))[0].images[0].image for _ in range(2)]

    first, second = asyncio.run(turns())
    assert first is second


def test_the_loop_goes_on_while_pictures_are_decoded() -> None:
    async def beats() -> int:
        pictures = Pictures(ServeSettings())
        urls = [url_of(4000, 3000, colour) for colour in ("red", "green", "blue")]
        reading = asyncio.create_task(pictures.shown([Message("user", "x")], [wanted(url) for url in urls]))
        count = 0
        while not reading.done():
            await asyncio.sleep(0)
            count += 1
        return count

    assert asyncio.run(beats()) > 100
