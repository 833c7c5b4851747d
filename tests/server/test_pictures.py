"""Pictures of requests: in their places, within bounds, and read beside the event loop."""

from __future__ import annotations

import asyncio
import base64
from io import BytesIO
from typing import Any

import pytest
from PIL import Image as Pillow

from chat.talk import chat, engine
from duihua.engine.scripted import ScriptedEngine
from duihua.errors import InvalidImage, UnsupportedFeature
from duihua.image import Image
from duihua.messages import Message
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.images import ImagePlacer
from duihua.prompt.template import ChatTemplate
from duihua.server.pictures import Pictures, Wanted
from duihua.server.settings import ServeSettings
from prompt import traits
from prompt.dialogues import seeing
from server.asgi import Reply, Server, asked, serving
from vision.pictures import encoded
from vision.web import ANYWHERE, Names, reply, site


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


def content(*urls: str, words: str = "what is it?") -> list[dict[str, Any]]:
    shown = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [{"role": "user", "content": [*shown, {"type": "text", "text": words}]}]


def seeing_server(over: ScriptedEngine, **settings: Any) -> Server:
    return Server(chat(over, traits.SEEING["chatml"][0], encoder=seeing("chatml")), **settings)


def test_pictures_of_a_request_reach_the_engine_and_are_counted_in_its_usage() -> None:
    over = engine("red", "red", max_images=2)
    server = seeing_server(over)

    async def both() -> tuple[Reply, Reply]:
        messages = content(url_of(20, 10), url_of(8, 6, "blue"))
        return await server.chat(messages), await server.chat(
            messages, stream=True, stream_options={"include_usage": True}
        )

    whole, streamed = asyncio.run(both())
    assert [(placed.image.width, placed.tokens) for placed in over.requests[0].images] == [(20, 30), (8, 14)]
    assert whole.json()["usage"]["prompt_tokens"] == over.requests[0].prompt_tokens
    assert streamed.chunks[-1]["usage"]["prompt_tokens"] == over.requests[0].prompt_tokens
    assert streamed.text == whole.text == "red"


def refusing_encoder() -> PromptEncoder:
    """An encoder of a model that takes no long pictures."""

    def count(width: int, height: int) -> int:
        if max(width, height) > 200 * min(width, height):
            raise ValueError("the ratio must be below 200")
        return 4

    template, form = traits.SEEING["chatml"]
    placer = ImagePlacer(form, traits.tokenizer(), count)
    return PromptEncoder(traits.tokenizer(), ChatTemplate(template), images=placer)


@pytest.mark.parametrize("fetched", [False, True])
def test_a_shape_that_the_model_does_not_take_is_told_by_its_place(fetched: bool) -> None:
    async def refusals() -> list[Reply]:
        over = chat(engine("red", max_images=4), traits.SEEING["chatml"][0], encoder=refusing_encoder())
        server = Server(over, allow_image_urls=True)
        server.service.pictures = Pictures(server.service.settings, reach=ANYWHERE, resolve=Names())
        file = reply(encoded(Pillow.new("RGB", (500, 2))))
        async with site({"/strip.png": file}) as web:
            strip = web.url("/strip.png") if fetched else url_of(500, 2)
            talk = [*content(url_of()), {"role": "assistant", "content": "red"}, *content(url_of(), strip, url_of())]
            return [await server.chat(content(strip)), await server.chat(talk, stream=True)]

    places = ["messages[0].content[0]", "messages[2].content[1]"]
    for place, refused in zip(places, asyncio.run(refusals()), strict=True):
        assert (refused.status, refused.error["why"], refused.error["param"]) == (400, "shape", place)
        assert refused.error["message"] == (
            f"{place}: the model's image processor does not take 500 x 2 pixels (the ratio must be below 200): cut it"
        )


def test_what_cannot_be_shown_is_refused_before_a_stream_and_the_server_answers_on() -> None:
    server = seeing_server(engine("red", max_images=1))

    async def all_of_them() -> list[Reply]:
        broken = content("data:image/png;base64,AAAA")
        asked = [broken, content("https://example.org/a.png"), content(url_of(), url_of(9, 9))]
        return [await server.chat(messages, stream=True) for messages in asked] + [await server.chat(content(url_of()))]

    broken, fetched, many, well = asyncio.run(all_of_them())
    assert (broken.status, broken.error["code"], broken.error["why"]) == (400, "invalid_image", "kind")
    assert broken.error["param"] == "messages[0].content[0]"
    assert (fetched.status, fetched.error["code"]) == (400, "unsupported_feature")
    assert (many.status, many.error["param"]) == (400, "images")
    assert well.status == 200


def test_a_model_that_sees_none_says_so_before_a_picture_is_read() -> None:
    reply = asked(serving(), content("data:image/png;base64,AAAA"))
    assert (reply.status, reply.error["param"]) == (400, "messages[0].content[0]")
    assert "sees no pictures" in reply.error["message"]


def test_a_prompt_s_ids_are_those_that_the_model_reads_as_tokenize_lists_them() -> None:
    async def all_of_them() -> tuple[Reply, Reply, Reply]:
        server, messages = seeing_server(engine("red", "red", max_images=2)), content(url_of(20, 10), url_of(8, 6))
        whole = await server.chat(messages, return_token_ids=True)
        streamed = await server.chat(messages, return_token_ids=True, stream=True)
        return whole, streamed, await server.fetch("POST", "/tokenize", {"messages": messages})

    whole, streamed, listed = asyncio.run(all_of_them())
    ids = whole.json()["prompt_token_ids"]
    assert len(ids) == whole.json()["usage"]["prompt_tokens"]
    assert ids == streamed.chunks[0]["prompt_token_ids"] == listed.json()["tokens"]
