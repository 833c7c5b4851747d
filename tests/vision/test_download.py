"""A download says what the server said of the file, and where it was in the end; its rules are tested in test_fetch.py."""

from __future__ import annotations

import asyncio

from duihua.vision.bounds import Bounds
from duihua.vision.download import Download
from vision.web import ANYWHERE, Names, redirect, reply, site


def test_a_file_comes_with_its_type_and_its_last_url() -> None:
    async def work() -> None:
        answers = {"/a": redirect("/b?c"), "/b": reply(b"abc", "Content-Type: text/plain; charset=utf-8")}
        async with site(answers) as web:
            download = Download("text/plain", Bounds(), reach=ANYWHERE, resolve=Names())
            found = await download.get(web.url("/a"))
            assert (found.data, found.media_type) == (b"abc", "text/plain; charset=utf-8")
            assert found.url == web.url("/b?c")
            assert "accept: text/plain" in web.heads[0].lower()

    asyncio.run(work())


def test_a_server_need_not_say_the_type() -> None:
    async def work() -> None:
        async with site({"/a": reply(b"abc")}) as web:
            found = await Download("*/*", Bounds(), reach=ANYWHERE, resolve=Names()).get(web.url("/a"))
            assert found.media_type == ""

    asyncio.run(work())
