"""What is at an http or https address, within bounds. Importing this module imports an HTTP library.

A URL may come from a stranger, so it must not make this machine knock on doors of its own network: each host is
resolved once, every address of it checked, and the connection made to exactly such an address. httpcore2 does the
protocol: it follows no redirect, unpacks nothing, reads no proxy from the environment and knows no cookies, and takes
the connection from us.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import Final
from urllib.parse import urljoin

import httpcore2

from duihua.vision.address import Address, Place, Reach, place_of
from duihua.vision.bounds import Bounds, Budget, check_bytes
from duihua.vision.door import Door, Resolve, resolve_host
from duihua.vision.refusal import refusal

__all__ = ["Download", "Downloaded"]

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = (
    ("User-Agent", "duihua"),
    ("Accept-Encoding", "identity"),  # so that the bytes that are counted are all there are
    ("Connection", "close"),
)
_FAILURES: Final = (OSError, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, ssl.SSLError)


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file from the web."""

    data: bytes
    media_type: str  # as the server names it, parameters and all; "" where it does not
    url: str  # where it was in the end, after redirects


class Download:
    """Gets files within bounds, from where it may."""

    def __init__(
        self,
        accept: str,
        bounds: Bounds,
        *,
        reach: Reach = Reach(),
        resolve: Resolve = resolve_host,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Set what holds for every download; nothing is asked yet.

        Args:
            accept: which types of file are asked for, as in HTTP's header.
            bounds: how many bytes and seconds.
            reach: which hosts, networks and ports.
            resolve: the resolver, called once for each host on the way.
            ssl_context: which certificates hold; None: those that the system trusts. They are always checked.

        Raises:
            ValueError: the SSL context checks no certificates.
        """
        if ssl_context is not None and (ssl_context.verify_mode != ssl.CERT_REQUIRED or not ssl_context.check_hostname):
            raise ValueError("this SSL context does not check certificates")
        self._headers = (*_HEADERS[:1], ("Accept", accept), *_HEADERS[1:])
        self._bounds = bounds
        self._reach = reach
        self._resolve = resolve
        self._given_context = ssl_context

    async def get(self, url: str, name: str = "", budget: Budget | None = None) -> Downloaded:
        """What is at a URL. Cancelling closes the connection.

        Args:
            name: what errors call it.
            budget: of this file and others together.

        Raises:
            InvalidImage: "scheme", "url", "address", "redirects", "status", "connection", "bytes", "total" or "time".
                No address that a host leads to is told.
        """
        try:
            async with asyncio.timeout(self._bounds.seconds):
                return await self._follow(url, name, budget)
        except TimeoutError as error:
            raise refusal(
                "time", f"it did not come within {self._bounds.seconds:g} seconds: try again, or send the file", name
            ) from error

    async def _follow(self, url: str, name: str, budget: Budget | None) -> Downloaded:
        """What is at a URL, through its redirects."""
        place = place_of(url, name)
        for _ in range(self._reach.redirects + 1):
            answer = await self._ask(place, name, budget)
            if not isinstance(answer, str):
                return Downloaded(*answer, url)
            url = _joined(url, answer, name)
            before, place = place, place_of(url, name)
            if (before.scheme, place.scheme) == ("https", "http"):
                raise refusal("redirects", f"{before.netloc} leads from https to http: give the last URL", name)
        raise refusal("redirects", f"it leads on more than {self._reach.redirects} times: give the last URL", name)

    async def _ask(self, place: Place, name: str, budget: Budget | None) -> tuple[bytes, str] | str:
        """What is at a place: a file and its type, or the URL that it leads on to."""
        self._reach.check(place, name)
        door = Door(await self._addresses(place, name), self._bounds.seconds)
        scheme, host = place.scheme.encode(), place.host.encode()
        origin = httpcore2.Origin(scheme, host, place.port)
        url = httpcore2.URL(scheme=scheme, host=host, port=place.port, target=place.target.encode())
        headers = [("Host", place.netloc), *self._headers]
        connection = httpcore2.AsyncHTTPConnection(origin, self._ssl_context, network_backend=door)
        try:
            async with connection.stream("GET", url, headers=headers) as response:
                return await self._answer(response, place, name, budget)
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

    async def _answer(
        self, response: httpcore2.Response, place: Place, name: str, budget: Budget | None
    ) -> tuple[bytes, str] | str:
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
            if budget is not None:
                budget.take(len(part))
        return bytes(data), headers.get("content-type", "").strip()

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
