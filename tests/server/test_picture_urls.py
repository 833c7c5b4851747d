"""Pictures that a server fetches: from where it may, and whatever comes."""

from __future__ import annotations

import asyncio
import base64

import pytest

from chat.talk import engine
from duihua.errors import InvalidImage
from server.asgi import Reply, Server
from server.test_picture_work import fetching, read, run
from server.test_pictures import content, seeing_server, url_of
from vision.hostile import FILES
from vision.pictures import encoded, flag
from vision.web import HOST, Names, redirect, reply, site

FLAG = reply(encoded(flag()))


def other_names() -> Names:
    return Names(**{"other.test": "127.0.0.1", f"cdn.{HOST}": "127.0.0.1", "xn--mnchen-3ya.test": "127.0.0.1"})


@pytest.mark.parametrize(
    ("domains", "host"),
    [
        ((), HOST),
        ((HOST,), HOST),
        (("other.test", HOST), HOST),
        ((f"*.{HOST}",), f"cdn.{HOST}"),
        (("München.test",), "münchen.test"),
    ],
)
def test_a_picture_of_a_listed_host_is_fetched(domains: tuple[str, ...], host: str) -> None:
    async def work() -> None:
        async with site({"/a.png": FLAG}) as web:
            (image,) = await read(fetching(other_names(), image_domains=domains), [web.url("/a.png", host)])
        assert (image.width, image.height) == (16, 32)

    run(work())


@pytest.mark.parametrize("domains", [("other.test",), (f"*.{HOST}",), (f"cdn.{HOST}",)])
def test_a_picture_of_another_host_is_not(domains: tuple[str, ...]) -> None:
    async def work() -> None:
        names = other_names()
        async with site({"/a.png": FLAG}) as web:
            with pytest.raises(InvalidImage, match=f"not fetched from {HOST}") as refused:
                await read(fetching(names, image_domains=domains), [web.url("/a.png")])
            assert (refused.value.why, web.heads, names.asked) == ("address", [], [])

    run(work())


def test_a_listed_host_does_not_lead_to_another() -> None:
    async def work() -> None:
        answers = {"/b.png": FLAG, "/own": redirect("/b.png")}
        async with site(answers) as web:
            answers["/a.png"] = redirect(web.url("/b.png", "other.test"))
            pictures = fetching(other_names(), image_domains=(HOST,))
            assert len(await read(pictures, [web.url("/own")])) == 1
            with pytest.raises(InvalidImage, match=r"not fetched from other\.test"):
                await read(pictures, [web.url("/a.png")])
            assert web.paths == ["/own", "/b.png", "/a.png"]

    run(work())


def seeing() -> Server:
    server = seeing_server(engine("red", "red", max_images=1), max_body_bytes=64 << 20, allow_image_urls=True)
    server.service.pictures = fetching()
    return server


def said(replied: Reply) -> tuple[int, str, str, str]:
    return replied.status, replied.error["code"], replied.error["why"], replied.error["param"]


@pytest.mark.parametrize("fetched", [False, True])
def test_every_hostile_file_is_refused_by_its_word_and_the_server_answers_on(fetched: bool) -> None:
    async def work() -> None:
        server = seeing()
        async with site({f"/{at}": reply(file) for at, (file, _) in enumerate(FILES.values())}) as web:
            for at, (name, (file, why)) in enumerate(FILES.items()):
                in_itself = f"data:image/png;base64,{base64.b64encode(file).decode()}"
                replied = await server.chat(content(web.url(f"/{at}") if fetched else in_itself))
                assert said(replied) == (400, "invalid_image", why, "messages[0].content[0]"), name
        assert (await server.chat(content(url_of()))).text == "red"
        assert server.service.running.count == 0

    run(work())


def test_a_picture_that_is_fetched_reaches_the_engine() -> None:
    async def work() -> None:
        over = engine("red", max_images=1)
        server = seeing_server(over, allow_image_urls=True)
        server.service.pictures = fetching()
        async with site({"/a.png": FLAG}) as web:
            assert (await server.chat(content(web.url("/a.png")))).text == "red"
        assert [placed.image.data for placed in over.requests[0].images] == [encoded(flag())]

    asyncio.run(work())
