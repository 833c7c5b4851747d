"""Pictures from http and https. Importing this module imports an HTTP library."""

from __future__ import annotations

import asyncio
import ssl
from concurrent.futures import Executor
from functools import partial
from urllib.parse import unquote

from duihua.image import Image
from duihua.vision.address import Reach
from duihua.vision.bounds import Bounds, Budget
from duihua.vision.door import Resolve, resolve_host
from duihua.vision.download import Download
from duihua.vision.known import KnownImages
from duihua.vision.read import read_bytes

__all__ = ["Fetcher"]


class Fetcher:
    """Fetches pictures within bounds, from where it may."""

    def __init__(
        self,
        bounds: Bounds = Bounds(),
        *,
        reach: Reach = Reach(),
        resolve: Resolve = resolve_host,
        ssl_context: ssl.SSLContext | None = None,
        known: KnownImages | None = None,
        pool: Executor | None = None,
    ) -> None:
        """Set what holds for every fetch; nothing is asked yet.

        Args:
            bounds: what a picture may cost, in time too.
            reach: which hosts, networks and ports.
            resolve: the resolver, called once for each host on the way.
            ssl_context: which certificates hold; None: those that the system trusts. They are always checked.
            known: where pictures are remembered, so that one that comes again is not decoded again.
            pool: the threads that decode, which stay the caller's to close; None: the event loop's own.

        Raises:
            ValueError: the SSL context checks no certificates.
        """
        self._bounds = bounds
        self._download = Download("image/*", bounds, reach=reach, resolve=resolve, ssl_context=ssl_context)
        self._read = read_bytes if known is None else known.read_bytes
        self._pool = pool

    async def fetch(self, url: str, *, name: str = "", budget: Budget | None = None) -> Image:
        """The picture at an http or https URL. It is decoded once, in a thread. Cancelling closes the connection.

        Args:
            name: what it is called; "": the last part of the path.
            budget: of this file and others together.

        Raises:
            InvalidImage: as `duihua.vision.download.Download.get` and `duihua.vision.read.read_bytes`.
        """
        name = name or _name_of(url)
        found = await self._download.get(url, name, budget)
        read = partial(self._read, found.data, bounds=self._bounds, name=name)
        return await asyncio.get_running_loop().run_in_executor(self._pool, read)


def _name_of(url: str) -> str:
    """The last part of a URL's path: what people call the picture; nothing else of a URL is fit to be shown."""
    path = url.partition("?")[0].partition("#")[0]
    name = unquote(path.partition("://")[2].partition("/")[2].rpartition("/")[2])
    return "".join(letter for letter in name if letter.isprintable())[:80]
