"""Content parts: words and pictures in their order, and everything else refused by its place."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chat.talk import engine
from duihua.errors import DuihuaError, UnsupportedFeature
from duihua.server.content import read_parts
from duihua.server.wire import ContentPart
from server.asgi import asked, serving
from server.test_pictures import content, seeing_server, url_of

URL = "data:image/png;base64,AAAA"


def parts(*fields: dict[str, Any]) -> list[ContentPart]:
    return msgspec.convert(fields, list[ContentPart])


def shown(url: Any = URL, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def test_words_are_one_text_and_pictures_stand_between_them() -> None:
    words, wanted = read_parts(
        parts(shown("data:a"), said("What "), shown("data:b"), said("is it?"), shown("data:c")), 3, is_user=True
    )
    assert words == "What is it?"
    assert [(each.url, each.at, each.message) for each in wanted] == [
        ("data:a", 0, 3),
        ("data:b", 5, 3),
        ("data:c", 11, 3),
    ]
    assert wanted[1].where == "messages[3].content[2]"


@pytest.mark.parametrize(("detail", "is_low"), [(None, False), ("auto", False), ("high", False), ("low", True)])
def test_every_detail_is_honoured(detail: str | None, is_low: bool) -> None:
    _, (wanted,) = read_parts(parts(shown(detail=detail)), 0, is_user=True)
    assert wanted.is_low is is_low


def test_a_url_may_stand_there_without_its_object() -> None:
    _, (wanted,) = read_parts(parts({"type": "image_url", "image_url": URL}), 0, is_user=True)
    assert wanted.url == URL


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (shown(detail="finest"), r"content\[0\]\.image_url\.detail"),
        ({"type": "image_url"}, r"content\[0\]\.image_url"),
        ({**shown(), "text": "x"}, r"content\[0\]\.text"),
        ({**said("x"), "image_url": URL}, r"content\[0\]\.image_url"),
        ({"type": "input_audio", "input_audio": {}}, "input_audio"),
        ({"type": "text"}, "lacks its text"),
    ],
)  # fmt: skip
def test_what_is_no_part_is_refused_by_its_place(part: dict[str, Any], named: str) -> None:
    with pytest.raises(DuihuaError, match=named):
        read_parts(parts(part), 0, is_user=True)


def test_only_a_user_shows_pictures() -> None:
    with pytest.raises(UnsupportedFeature, match="only a user's"):
        read_parts(parts(shown()), 0, is_user=False)


@pytest.mark.parametrize(
    ("value", "param", "said"),
    [
        ({"url": URL, "detial": "low"}, ".detial", "did you mean 'detail'?"),
        ({"url": URL, "mime": 1}, ".mime", "leave it out"),
        ({"url": URL, "detail": ["low"]}, ".detail", "got `array`"),
        ({"url": URL, "detail": "finest"}, ".detail", "'auto', 'low' or 'high'"),
        ({"url": None}, ".url", "got `null`"),
        ({}, ".url", "missing"),
        (5, "", "got `int`"),
        (None, "", "missing"),
    ],
)
def test_what_is_no_image_url_is_refused_by_its_field(value: object, param: str, said: str) -> None:
    part = {"type": "image_url", "image_url": value}
    reply = asked(serving(), [{"role": "user", "content": [part]}])
    assert (reply.status, reply.error["param"]) == (400, f"messages[0].content[0].image_url{param}")
    assert said in reply.error["message"]


def test_a_lenient_server_leaves_out_what_an_image_url_does_not_have() -> None:
    over = engine("red", max_images=1)
    server = seeing_server(over, lenient=True)
    (message,) = content(url_of(6, 4))
    message["content"][0]["image_url"] |= {"mime": 1}
    reply = asked(server, [message])
    assert (reply.status, reply.headers["x-duihua-ignored"]) == (200, "messages[].content[].image_url.mime")
    assert [placed.image.width for placed in over.requests[0].images] == [6]
