"""What pictures cost the server at once: threads that decode, files that are fetched."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from duihua.image import Image
from duihua.messages import Message
from duihua.server.pictures import Pictures, Wanted
from duihua.server.settings import ServeSettings
from duihua.vision.door import Resolve, resolve_host
from server.test_pictures import url_of
from vision.pictures import encoded, flag
from vision.web import ANYWHERE, Names, reply, site

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
        for colour in COLOURS[:6]:
            left = asyncio.create_task(read(pictures, [url_of(8, 8, colour), url_of(9, 9, colour)]))
            await asyncio.sleep(0.02)
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
