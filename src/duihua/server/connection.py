"""uvicorn's HTTP/1.1 connection with bounds: how large a head may be, and how long a client may keep us waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from duihua.server.corked import Corked
from duihua.server.exchange import new_request_id
from duihua.server.failures import Failure, Refusal, failure_of

__all__ = ["BoundedConnection", "bounded"]

_TOO_LARGE: Final = Refusal(431, "headers_too_large", "the request's headers are larger than this server takes")
_BROKEN: Final = Refusal(400, "invalid_http", "this is no HTTP request")
_PHRASES: Final = {400: b"Bad Request", 431: b"Request Header Fields Too Large"}
_REPLY: Final = (
    b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nx-request-id: %s\r\n"
    b"connection: close\r\n\r\n%s"
)
_BODY_ROOM: Final = 256 * 1024  # what of a body may come together with its head
_AROUND: Final = 4  # bytes of a header beside its name and value
_LINGER: Final = 0.3  # seconds to throw away what still comes after last words
_GRACE: Final = 2.0  # seconds for clients to take the rest when the server ends
_OF_UPGRADES: Final = (b"connection", b"upgrade", b"http2-settings")


class BoundedConnection(HttpToolsProtocol):
    """One connection. A client that ends its side of it has left, even if it would still read.

    Attributes:
        max_header_bytes: of one request's head.
        patience: seconds for a head to be whole, for the next piece of a body, and for an answer that stands still
            because the client does not read; the connection is closed after that.
        on_refused: told what is answered here, which no application hears of, and the reply's request id.
    """

    max_header_bytes = 64 * 1024
    patience = 75.0
    on_refused: Callable[[Failure, str], None]
    _head = 0  # bytes of a head that is not whole yet
    _behind = 0  # bytes of requests that came before the answer to an earlier one was complete
    _is_body = False  # a head is whole, its body is not
    _is_refused = False  # last words are said; whatever comes is thrown away
    _coming: asyncio.TimerHandle | None = None  # runs while a request comes
    _stalled: asyncio.TimerHandle | None = None  # runs while the client does not read
    _served: Any = None  # the exchange that is being answered; uvicorn's `cycle` is the latest that came

    def connection_made(self, transport: Any) -> None:
        """Wait for a request."""
        super().connection_made(cast("asyncio.Transport", Corked(transport, self.loop)))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more; whoever answers is told that the client has left."""
        self._coming, self._stalled = _stop(self._coming), _stop(self._stalled)
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        super().connection_lost(exc)
        if self._is_answering():
            self._served.disconnected = True
            self._served.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Count what has no end yet; then as uvicorn does."""
        self._unset_keepalive_if_required()
        if self._is_refused:
            return
        if self._coming is None and not self._is_answering():
            self._await_head()
        if self._is_body:
            self._wait()
        else:
            self._head += len(data)
        self._behind = self._behind + len(data) if self.pipeline else 0
        if max(self._head, self._behind) > self.max_header_bytes + _BODY_ROOM:
            self._refuse(_TOO_LARGE)
            return
        self._feed(data)
        if self.pipeline and not self.transport.is_closing():
            self.flow.resume_reading()  # or it would not be seen that the client leaves

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        if self._coming is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """A head is whole."""
        if self._is_refused or self.transport.is_closing():
            return
        size = len(self.url) + sum(len(name) + len(value) + _AROUND for name, value in self.headers)
        if size > self.max_header_bytes:
            self._refuse(_TOO_LARGE)
        elif not self.parser.should_upgrade():
            self._is_body = True
            self._head = 0
            self._wait()
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is whole."""
        if self._is_body:
            self._is_body = False
            self._coming = _stop(self._coming)
            super().on_message_complete()

    def shutdown(self) -> None:
        """The server ends: no other request is taken here, and no client holds that up."""
        super().shutdown()
        self.loop.call_later(_GRACE, self.transport.abort)

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self._stalled = _stop(self._stalled)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._served = cycle
        if cycle.scope["http_version"] == "1.0":  # which knows no chunks: what has no length ends with the connection
            cycle.chunked_encoding, cycle.expected_content_length = False, _AnyLength()
        super()._start_asgi_task(cycle, app)

    def _is_answering(self) -> bool:
        return self._served is not None and not self._served.response_complete

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(_BROKEN)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without(data[upgrade.args[0] :])

    def _go_on_without(self, rest: bytes) -> None:
        """Read a request again without its wish for another protocol, for which the parser would drop its body.

        Java's client sends one (h2c) with whatever it asks first.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            self._refuse(_BROKEN)
            return
        headers = [(name, value) for name, value in self.headers if name not in _OF_UPGRADES]
        head = b"".join((method, b" ", self.url, b" HTTP/", version, b"\r\n"))
        self.parser = httptools.HttpRequestParser(self)
        self._feed(head + b"".join(b"%s: %s\r\n" % header for header in headers) + b"\r\n" + rest)

    def _await_head(self) -> None:
        self._head, self._is_body = 0, False
        self._wait()

    def _wait(self) -> None:
        _stop(self._coming)
        self._coming = self.loop.call_later(self.patience, self._give_up)

    def _give_up(self) -> None:
        self._coming = None
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Say so, unless that would stand in the middle of another answer, and close the connection."""
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        self._coming = _stop(self._coming)
        if self._is_answering() and (self._served.response_started or not self._served.more_body):
            self.transport.close()
            return
        failure, request_id = failure_of(refusal), new_request_id()
        body, status = failure.body, refusal.status
        self.transport.write(_REPLY % (status, _PHRASES[status], len(body), request_id.encode(), body))
        self.on_refused(failure, request_id)
        # A connection closed with something unread is reset, and what was written may be lost.
        self._coming = self.loop.call_later(_LINGER, self._give_up)


class _AnyLength:
    """Stands for the bytes that uvicorn expects of a body, where none can say how many."""

    def __lt__(self, _: object) -> bool:
        return False

    def __sub__(self, _: object) -> _AnyLength:
        return self

    def __ne__(self, _: object) -> bool:
        return False


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def bounded(
    max_header_bytes: int, seconds: float, on_refused: Callable[[Failure, str], None]
) -> type[BoundedConnection]:
    """The class of connections with these bounds, for uvicorn's `http`; see `BoundedConnection`."""
    own = {"max_header_bytes": max_header_bytes, "patience": seconds, "on_refused": staticmethod(on_refused)}
    return type("Connection", (BoundedConnection,), own)
