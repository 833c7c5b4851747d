"""The pictures of a request: read after the request itself, off the event loop, within this server's bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from duihua.chat.protocol import ModelInfo
from duihua.errors import InvalidImage, UnsupportedFeature
from duihua.image import Image
from duihua.messages import ImageAt, Message
from duihua.server.settings import ServeSettings
from duihua.vision.address import Reach
from duihua.vision.bounds import LOW_DETAIL, Bounds, Budget
from duihua.vision.known import KnownImages

if TYPE_CHECKING:
    from duihua.vision.door import Resolve
    from duihua.vision.fetch import Fetcher

__all__ = ["Pictures", "Wanted"]

_DECODERS: Final = 2  # threads, which decode the pictures of all requests
_FETCHES: Final = 16  # pictures of all requests that are fetched at the same time
_FETCHES_OF_ONE: Final = 4  # of these, those of one request


@dataclass(frozen=True, slots=True)
class Wanted:
    """A picture that a request shows, not read yet."""

    message: int  # index of the message
    at: int  # the character of its words before which the picture stands
    where: str  # "messages[0].content[1]"
    url: str
    is_low: bool = False  # few pixels are enough


class _Reading:
    """The pictures of one request while they are read, and what they may use."""

    def __init__(self, bounds: Bounds) -> None:
        self.bytes = Budget(bounds)
        self.fetches = asyncio.Semaphore(_FETCHES_OF_ONE)
        self.tasks: list[asyncio.Task[Image | InvalidImage]] = []  # in the order of the request

    def give_up_later(self) -> None:
        """Read nothing more behind the picture whose task this is: it is refused, and the first is what is told."""
        for task in reversed(self.tasks):
            if task is asyncio.current_task():
                return
            task.cancel()


class Pictures:
    """Reads what requests show. Belongs to one event loop; `close` lets its threads go.

    A picture is called by its place in the request, so that whoever refuses it later names that.

    A thread cannot be cancelled: one that decodes for a client who left is still one of the few that there are.
    A picture that was read before is known by the checksum of its file: a client without state, which sends every
    picture again with every turn, pays for decoding it once.
    """

    def __init__(self, settings: ServeSettings, *, reach: Reach = Reach(), resolve: Resolve | None = None) -> None:
        """Read nothing yet.

        Args:
            settings: the bounds, and whether anything is fetched and which hosts from.
            reach: where else a fetch may lead; its hosts are those of the settings.
            resolve: the resolver of hosts; None: the system's.
        """
        self._settings = settings
        self._reach = replace(reach, hosts=settings.image_hosts or None)
        self._resolve = resolve
        self._bounds = Bounds(
            max_bytes=settings.max_image_bytes,
            max_pixels=settings.max_image_pixels,
            max_images=settings.max_request_images,
            max_total_bytes=max(Bounds().max_total_bytes, settings.max_image_bytes),
            seconds=settings.image_seconds,
        )
        self._known = KnownImages()
        self._fetches = asyncio.Semaphore(_FETCHES)
        self._pool = ThreadPoolExecutor(_DECODERS, "duihua-pictures")

    def close(self) -> None:
        """Let the threads go; what waits for one is given up."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def shown(self, messages: Sequence[Message], wanted: Sequence[Wanted]) -> list[Message]:
        """The messages with their pictures in place; cancelling gives up what is not read yet.

        Raises:
            InvalidImage: a picture that cannot be taken, by its place in the request; or too many of them, or too large
                ones together: then nothing more is fetched.
            UnsupportedFeature: a URL, where this server fetches none.
        """
        if len(wanted) > self._bounds.max_images:
            raise InvalidImage(
                f"there are {len(wanted)} pictures and this server takes {self._bounds.max_images} in a request: "
                "leave earlier ones out",
                why="count",
            )
        reading = _Reading(self._bounds)
        try:
            async with asyncio.TaskGroup() as group:
                reading.tasks += [group.create_task(self._outcome(each, reading)) for each in wanted]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        result = list(messages)
        for each, task in zip(wanted, reading.tasks, strict=True):
            image, message = task.result(), result[each.message]
            if isinstance(image, InvalidImage):
                raise image
            result[each.message] = replace(message, images=(*message.images, ImageAt(each.at, image)))
        return result

    def check(self, wanted: Sequence[Wanted], info: ModelInfo) -> None:
        """Refuse pictures before one is read.

        Raises:
            UnsupportedFeature: the model sees none, or a URL that is no data URL is not fetched here.
        """
        if wanted and not info.max_images:
            raise UnsupportedFeature(wanted[0].where, f"{info.name} sees no pictures: serve a model that does")
        self.check_urls(wanted)

    def check_urls(self, wanted: Sequence[Wanted]) -> None:
        """Refuse what would have to be fetched, where that is not allowed; raises UnsupportedFeature."""
        if self._settings.allow_image_urls:
            return
        for each in wanted:
            if each.url[:5].lower() != "data:":
                raise UnsupportedFeature(
                    each.where, "this server fetches no pictures (--allow-image-urls): send it as a data URL"
                )

    async def _outcome(self, wanted: Wanted, reading: _Reading) -> Image | InvalidImage:
        """A picture, or why there is none, for the first in order is to be told; what ends all of them is raised."""
        try:
            return await self._read(wanted, reading)
        except InvalidImage as error:
            if error.why == "total":
                raise
            reading.give_up_later()
            return error

    async def _read(self, wanted: Wanted, reading: _Reading) -> Image:
        if wanted.url[:5].lower() == "data:":
            read = partial(self._known.read_data_url, wanted.url, bounds=self._bounds, name=wanted.where)
            image = await self._decoded(read)
            reading.bytes.take(len(image.data))
        else:
            async with reading.fetches, self._fetches:
                image = await self._fetcher.fetch(wanted.url, name=wanted.where, budget=reading.bytes)
        return await self._made_low(image) if wanted.is_low else image

    async def _made_low(self, image: Image) -> Image:
        from duihua.vision.pixels import shrunk

        return await self._decoded(partial(shrunk, image, LOW_DETAIL))

    async def _decoded(self, work: Callable[[], Image]) -> Image:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    @cached_property
    def _fetcher(self) -> Fetcher:
        from duihua.vision.door import resolve_host
        from duihua.vision.fetch import Fetcher

        resolve = self._resolve or resolve_host
        return Fetcher(self._bounds, reach=self._reach, resolve=resolve, known=self._known, pool=self._pool)
