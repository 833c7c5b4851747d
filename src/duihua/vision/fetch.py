"""Pictures from http and https. Importing this module imports an HTTP library.

A URL may come from a stranger, so it must not make this machine knock on doors of its own network: each host is
resolved once, every address of it checked, and the connection made to exactly such an address. httpcore2 does the
protocol: it follows no redirect, unpacks nothing, reads no proxy from the environment and knows no cookies, and takes
the connection from us.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from functools import cached_property
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote, urljoin

import httpcore2

from duihua.image import Image
from duihua.vision.address import Address, Place, Reach, place_of
from duihua.vision.bounds import Bounds, check_bytes
from duihua.vision.door import Door, Resolve, resolve_host
from duihua.vision.known import KnownImages
from duihua.vision.read import read_bytes
from duihua.vision.refusal import refusal

__all__ = ["Fetcher"]

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = (
    ("User-Agent", "duihua"),
    ("Accept", "image/*"),
    ("Accept-Encoding", "identity"),  # so that the bytes that are counted are all there are
    ("Connection", "close"),
)
_FAILURES: Final = (OSError, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, ssl.SSLError)


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
    ) -> None:
        """Set what holds for every fetch; nothing is asked yet.

        Args:
            bounds: what a picture may cost, in time too.
            reach: which hosts, networks and ports.
            resolve: the resolver, called once for each host on the way.
            ssl_context: which certificates hold; None: those that the system trusts. They are always checked.
            known: where pictures are remembered, so that one that comes again is not decoded again.

        Raises:
            ValueError: the SSL context checks no certificates.
        """
        if ssl_context is not None and (ssl_context.verify_mode != ssl.CERT_REQUIRED or not ssl_context.check_hostname):
            raise ValueError("this SSL context does not check certificates")
        self._bounds = bounds
        self._reach = reach
        self._resolve = resolve
        self._given_context = ssl_context
        self._read = read_bytes if known is None else known.read_bytes

    async def fetch(self, url: str) -> Image:
        """The picture at an http or https URL; its name is the last part of the path.

        It is decoded once, in a thread. Cancelling closes the connection.

        Raises:
            InvalidImage: "scheme", "url", "address", "redirects", "status", "connection" or "time"; else as
                `duihua.vision.read.read_bytes`. No address that a host leads to is told.
        """
        name = _name_of(url)
        try:
            async with asyncio.timeout(self._bounds.seconds):
                data = await self._follow(url, name)
        except TimeoutError as error:
            raise refusal(
                "time", f"it did not come within {self._bounds.seconds:g} seconds: try again, or send the file", name
            ) from error
        return await asyncio.to_thread(self._read, data, bounds=self._bounds, name=name)

    async def _follow(self, url: str, name: str) -> bytes:
        """The bytes at a URL, through its redirects."""
        place = place_of(url, name)
        for _ in range(self._reach.redirects + 1):
            answer = await self._ask(place, name)
            if isinstance(answer, bytes):
                return answer
            url = _joined(url, answer, name)
            before, place = place, place_of(url, name)
            if (before.scheme, place.scheme) == ("https", "http"):
                raise refusal("redirects", f"{before.netloc} leads from https to http: give the last URL", name)
        raise refusal("redirects", f"it leads on more than {self._reach.redirects} times: give the last URL", name)

    async def _ask(self, place: Place, name: str) -> bytes | str:
        """What is at a place: a file, or (as text) the URL that it leads on to."""
        self._reach.check(place, name)
        door = Door(await self._addresses(place, name), self._bounds.seconds)
        scheme, host = place.scheme.encode(), place.host.encode()
        origin = httpcore2.Origin(scheme, host, place.port)
        url = httpcore2.URL(scheme=scheme, host=host, port=place.port, target=place.target.encode())
        headers = [("Host", place.netloc), *_HEADERS]
        connection = httpcore2.AsyncHTTPConnection(origin, self._ssl_context, network_backend=door)
        try:
            async with connection.stream("GET", url, headers=headers) as response:
                return await self._answer(response, place, name)
        except _FAILURES as error:
            raise refusal("connection", _failure(error, place), name) from error
        finally:
            await door.close()

    async def _addresses(self, place: Place, name: str) -> Sequence[Address]:
        """The addresses of a place's host; there is at least one, and all of them may be reached."""
        try:
            found = [str(place.address)] if place.address else await self._resolve(place.host, place.port)
            addresses = [ip_address(text) for text in found]
        except (OSError, ValueError) as error:
            raise refusal("connection", f"there is no host {place.host}: check the URL", name) from error
        if not addresses:
            raise refusal("connection", f"there is no host {place.host}: check the URL", name)
        if not all(self._reach.admits(address) for address in addresses):
            raise refusal("address", f"{place.host} is no host of the public internet: send the file itself", name)
        return addresses

    async def _answer(self, response: httpcore2.Response, place: Place, name: str) -> bytes | str:
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in response.headers}
        if response.status in _REDIRECTS and "location" in headers:
            return headers["location"].strip()
        if response.status != 200:
            raise refusal("status", f"{place.netloc} answered with status {response.status}: check the URL", name)
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise refusal("status", f"{place.netloc} sent it packed ({encoding[:40]}), unasked: send the file", name)
        length = headers.get("content-length", "")
        check_bytes(int(length) if length.isdecimal() else 0, self._bounds, name)
        data = bytearray()
        async for part in response.aiter_stream():
            data += part
            check_bytes(len(data), self._bounds, name)
        return bytes(data)

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        return self._given_context or httpcore2.default_ssl_context()


def _joined(url: str, location: str, name: str) -> str:
    """Where a redirect leads: its location may be relative."""
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise refusal("url", "it leads on to a URL that is not well formed: give the last URL", name) from error


def _failure(error: BaseException, place: Place) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate of {place.host} does not hold ({cause.verify_message}): check the URL"
        cause = cause.__cause__ or cause.__context__
    return f"{place.netloc} cannot be reached, or broke off: try again, or send the file"


def _name_of(url: str) -> str:
    """The last part of a URL's path: what people call the picture; nothing else of a URL is fit to be shown."""
    path = url.partition("?")[0].partition("#")[0]
    name = unquote(path.partition("://")[2].partition("/")[2].rpartition("/")[2])
    return "".join(letter for letter in name if letter.isprintable())[:80]
