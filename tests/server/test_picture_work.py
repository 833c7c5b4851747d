"""What pictures cost the server at once: threads that decode, files that are fetched."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from chat.talk import engine
from duihua.errors import InvalidImage
from duihua.image import Image
from duihua.messages import Message
from duihua.server.pictures import Pictures, Wanted
from duihua.server.settings import ServeSettings
from duihua.vision.door import Resolve, resolve_host
from server.test_pictures import content, seeing_server, url_of
from vision.pictures import encoded, flag
from vision.web import ANYWHERE, Names, reply, silence, site

ASKED = [Message("user", "x")]
COLOURS = ("red", "green", "blue", "black", "white", "grey", "pink", "gold", "cyan", "navy", "teal", "lime")


def run(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await work

    asyncio.run(bounded())


def fetching(resolve: Resolve | None = None, **settings: Any) -> Pictures:
    """Pictures that may be fetched from this machine."""
    allowed: dict[str, Any] = {"allow_image_urls": True, **settings}
    return Pictures(ServeSettings(**allowed), reach=ANYWHERE, resolve=resolve or Names())


async def read(pictures: Pictures, urls: Sequence[str], **more: Any) -> list[Image]:
    shown = [Wanted(0, 0, f"messages[0].content[{at}]", url, **more) for at, url in enumerate(urls)]
    (message,) = await pictures.shown(ASKED, shown)
    return [placed.image for placed in message.images]


class Watched:
    """Work that is counted while it runs, and may be held."""

    def __init__(self) -> None:
        self.most = self.now = self.begun = 0
        self.may_go = threading.Event()
        self._lock = threading.Lock()
        self._begun = threading.Semaphore(0)

    def watching(self, work: Callable[..., Image]) -> Callable[..., Image]:
        def watched(*args: Any, **more: Any) -> Image:
            with self._lock:
                self.now, self.begun = self.now + 1, self.begun + 1
                self.most = max(self.most, self.now)
            self._begun.release()
            self.may_go.wait(20)
            time.sleep(0.01)
            try:
                return work(*args, **more)
            finally:
                with self._lock:
                    self.now -= 1

        return watched

    async def begins(self, count: int) -> None:
        for _ in range(count):
            assert await asyncio.to_thread(self._begun.acquire, timeout=20)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    from duihua.vision import known, pixels

    watched = Watched()
    monkeypatch.setattr(known, "read_bytes", watched.watching(known.read_bytes))
    monkeypatch.setattr(pixels, "shrunk", watched.watching(pixels.shrunk))
    return watched


def test_few_pictures_are_decoded_at_once_wherever_they_come_from(watched: Watched) -> None:
    async def work() -> None:
        watched.may_go.set()
        answers = {f"/{at}": reply(encoded(flag(20 + at))) for at in range(8)}
        async with site(answers) as web:
            urls = [web.url(path) for path in answers] + [url_of(9, 9, colour) for colour in COLOURS[:4]]
            assert len(await read(fetching(), urls, is_low=True)) == 12
        assert (watched.most, watched.begun) == (2, 24)

    run(work())


def test_pictures_of_clients_who_left_keep_their_threads(watched: Watched) -> None:
    async def work() -> None:
        pictures = Pictures(ServeSettings())
        for number, colour in enumerate(COLOURS[:6]):
            left = asyncio.create_task(read(pictures, [url_of(8, 8, colour), url_of(9, 9, colour)]))
            await (asyncio.sleep(0.02) if number else watched.begins(2))
            left.cancel()
            await asyncio.wait([left])
        staying = asyncio.create_task(read(pictures, [url_of(7, 7)]))
        await asyncio.sleep(0.02)
        assert watched.begun == 2  # and what had not begun never will
        watched.may_go.set()
        assert len(await staying) == 1
        assert (watched.most, watched.begun) == (2, 3)

    run(work())


def test_names_are_resolved_while_pictures_are_decoded(watched: Watched) -> None:
    async def work() -> None:
        async with site({"/a": reply(encoded(flag()))}) as web:
            pictures = fetching(resolve_host)
            held = asyncio.create_task(read(pictures, [url_of(8, 8, colour) for colour in COLOURS]))
            await watched.begins(2)
            fetched = asyncio.create_task(read(pictures, [web.url("/a", "localhost")]))
            await web.asked.wait()
            watched.may_go.set()
            assert len(await held) + len(await fetched) == len(COLOURS) + 1

    run(work())


def test_closing_lets_the_threads_go(watched: Watched) -> None:
    async def work() -> None:
        pictures = Pictures(ServeSettings())
        reading = asyncio.create_task(read(pictures, [url_of(8, 8, colour) for colour in COLOURS[:3]]))
        await watched.begins(2)
        pictures.close()
        watched.may_go.set()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert watched.begun == 2

    run(work())


class Busy:
    """Answers of a web server that are counted while they go on, each for a moment."""

    def __init__(self, body: bytes) -> None:
        self.most = self.now = 0
        self._body = body

    async def __call__(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.05)
        self.now -= 1
        writer.write(self._body)
        await writer.drain()


@pytest.mark.parametrize(("requests", "most"), [(1, 4), (6, 16)])
def test_few_pictures_are_fetched_at_once(requests: int, most: int) -> None:
    async def work() -> None:
        busy, pictures = Busy(reply(encoded(flag()))), fetching()
        async with site({"/a": busy}) as web:
            found = await asyncio.gather(*(read(pictures, [web.url("/a")] * 8) for _ in range(requests)))
        assert [len(images) for images in found] == [8] * requests
        assert busy.most == most

    run(work())


def test_more_bytes_together_than_there_may_be_are_not_fetched() -> None:
    async def work() -> None:
        async with site({"/a": reply(encoded(flag()) + bytes(4 << 20))}) as web:
            with pytest.raises(InvalidImage, match="more than 67,108,864 bytes together") as refused:
                await read(fetching(), [web.url("/a")] * 40)
            assert (refused.value.why, refused.value.name) == ("total", "")
            assert 16 <= len(web.heads) <= 20

    run(work())


def test_data_urls_have_bytes_together_too() -> None:
    file = base64.b64encode(encoded(flag()) + bytes(4 << 20)).decode()
    with pytest.raises(InvalidImage, match="bytes together"):
        asyncio.run(read(Pictures(ServeSettings()), [f"data:image/png;base64,{file}"] * 17))
    assert len(asyncio.run(read(Pictures(ServeSettings()), [f"data:image/png;base64,{file}"] * 15))) == 15


def test_behind_a_picture_that_is_refused_nothing_is_fetched() -> None:
    async def work() -> None:
        async with site({"/a": Busy(reply(encoded(flag()))), "/no": reply(b"", status="404 Not Found")}) as web:
            urls = [web.url("/a"), web.url("/no"), *[web.url("/a")] * 30]
            with pytest.raises(InvalidImage) as refused:
                await read(fetching(), urls)
            assert (refused.value.why, refused.value.name) == ("status", "messages[0].content[1]")
            assert len(web.heads) <= 5

    run(work())


# /tokenize


def test_pictures_of_tokenize_have_a_deadline_and_wait_as_those_of_turns() -> None:
    async def work() -> None:
        server = seeing_server(engine("red", max_images=1), allow_image_urls=True, deadline_seconds=2, max_waiting=1)
        server.service.pictures = fetching()
        async with site({"/a": silence}) as web:
            fields = {"messages": content(web.url("/a"))}
            first = asyncio.create_task(server.fetch("POST", "/tokenize", fields))
            await web.asked.wait()
            assert (await server.fetch("POST", "/tokenize", fields)).status == 429
            assert (await server.fetch("POST", "/tokenize", {"messages": content()})).status == 200
            late = await first
            assert (late.status, late.error["code"]) == (504, "deadline_exceeded")

    run(work())


def test_pictures_of_tokenize_end_with_the_server_and_with_their_client() -> None:
    async def work() -> None:
        server = seeing_server(engine("red", max_images=1), allow_image_urls=True)
        server.service.pictures = fetching()
        async with site({"/a": silence}) as web:
            fields = {"messages": content(web.url("/a"))}
            async with server.call("POST", "/tokenize", fields) as call:
                await web.asked.wait()
                call.leave()
                await call.ended()
            await web.gone.wait()
            assert server.service.running.count == 0
            web.asked.clear()
            async with server.call("POST", "/tokenize", fields) as call:
                await web.asked.wait()
                server.service.running.end_all()
                ended = await call.ended()
            assert (ended.status, ended.error["code"]) == (503, "server_ending")

    run(work())
