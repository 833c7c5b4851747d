"""A page of the web is read within bounds, from public places only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from duihua.errors import ToolError, ToolFailed
from duihua.tools.read_url import read_url
from duihua.vision.address import Reach
from vision.web import ANYWHERE, HOST, Handler, Names, endless_body, redirect, reply, silence, site

OF_A_CLOUD = "169.254.169.254"  # where clouds tell a machine its secrets
HTML = "Content-Type: text/html; charset=utf-8"
LONG = reply(b"<p>" + b"0123456789" * 2500, HTML)


def read(answers: Mapping[str, bytes | Handler], path: str = "/a", reach: Reach = ANYWHERE, **arguments: Any) -> str:
    async def work() -> str:
        async with site(answers) as web:
            tool = read_url(reach=reach, resolve=Names())
            return (await tool.call({"url": web.url(path) if path[:1] == "/" else path, **arguments})).content

    return asyncio.run(work())


def test_a_page_comes_in_words() -> None:
    assert read({"/a": reply("<h1>茶</h1><p>three".encode(), HTML)}) == "# 茶\n\nthree"
    assert read({"/a": redirect("/b"), "/b": reply(b"plain", "Content-Type: text/plain")}) == "plain"
    assert read({"/a": reply(b"{}", "Content-Type: application/ld+json")}) == "{}"
    assert read({"/a": reply(b"<p></p>", HTML)}) == "(the page has no text)"


def test_a_long_page_comes_in_parts() -> None:
    first = read({"/a": LONG})
    assert first.endswith("[characters 0 to 12000 of 25000; call again with start=12000 for more]")
    last = read({"/a": LONG}, start=24_000)
    assert last == "0123456789" * 100 + "\n\n[characters 24000 to 25000 of 25000]"
    with pytest.raises(ToolFailed, match="only 25,000 characters"):
        read({"/a": LONG}, start=25_000)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (reply(b"", status="404 Not Found"), "status 404"),
        (reply(b"\x89PNG", "Content-Type: image/png"), "it is image/png"),
        (reply(b"\0\1"), "no text"),
        (redirect("/a"), "leads on and on"),
        (redirect("file:///etc/passwd"), "must begin with http"),
        (endless_body, "larger than 4,194,304 bytes"),
    ],
)
def test_what_is_no_page_is_told(answer: bytes | Handler, why: str) -> None:
    with pytest.raises(ToolFailed, match=why):
        read({"/a": answer})


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1/", "may not be reached"),
        ("http://localhost/", "not there"),
        (f"http://{OF_A_CLOUD}/latest/meta-data", "may not be reached"),
        ("http://[::1]:8080/", "may not be reached"),
        (f"http://{HOST}/", "may not be reached"),
        ("file:///etc/passwd", "must begin with http"),
        ("http://a b/", "not well formed"),
    ],
)
def test_places_that_are_not_public_are_not_asked(url: str, why: str) -> None:
    with pytest.raises(ToolFailed, match=why) as caught:
        read({}, url, Reach())
    assert "picture" not in str(caught.value)


def test_cancelling_closes_the_connection() -> None:
    async def work() -> None:
        async with site({"/a": silence}) as web:
            task = asyncio.create_task(read_url(reach=ANYWHERE, resolve=Names()).call({"url": web.url("/a")}))
            await web.asked.wait()
            task.cancel()
            await web.gone.wait()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(work())


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(ToolError, match="'url' is missing"):
        asyncio.run(read_url().call({}))
