"""One HTTP request and its reply, over ASGI."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from duihua.server.failures import Failure, Refusal

__all__ = ["DONE", "JSON", "Exchange", "Receive", "Scope", "Send", "new_request_id"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON: Final = "application/json"
DONE: Final = b"data: [DONE]\n\n"  # the end of every stream of events
_LONGEST_ID: Final = 128
_ONCE: Final = (b"host", b"authorization", b"content-length", b"content-type")


class Exchange:
    """What is asked and how far it is answered.

    Attributes:
        request_id: the one that the client sent, if it is fit to be echoed, else a new one.
        status: of the reply, 0 before it began; 499, as proxies count, where the client left before that.
        headers: further headers of the reply.
        notes: what the log says of this exchange beside method, path and status.
        failure: the error that it ended with, in a stream too.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.started = time.perf_counter()
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.notes: dict[str, object] = {}
        self.failure: Failure | None = None
        self.is_gone = False  # the client left
        self._asked: dict[bytes, bytes] = dict(scope["headers"])
        names = [name for name, _ in scope["headers"]]
        self._doubled = next((name for name in _ONCE if names.count(name) > 1), None)
        self._receive = receive
        self._send = send
        self._is_ended = False
        given = self.header("x-request-id")
        is_fit = 0 < len(given) <= _LONGEST_ID and given.isascii() and given.isprintable()
        self.request_id = given if is_fit else new_request_id()

    def header(self, name: str) -> str:
        """A header of the request; empty where there is none."""
        return self._asked.get(name.encode(), b"").decode("latin-1")

    def check_headers(self) -> None:
        """Refuse what each side of a proxy may read differently (RFC 9110, section 5.3).

        Raises:
            Refusal: a header that decides something stands there twice.
        """
        if self._doubled is not None:
            name = self._doubled.decode()
            raise Refusal(400, "duplicate_header", f"the header {name} stands there twice: send it once", param=name)

    async def body(self, limit: int) -> bytes:
        """The request's body, which has to be JSON.

        Raises:
            Refusal: another content type (415), more than `limit` bytes (413), a client that left.
        """
        kind = self.header("content-type").partition(";")[0].strip().lower()
        if kind != JSON:
            raise Refusal(415, "unsupported_media_type", f"content-type {kind!r} is not read: send {JSON}")
        if self.header("content-encoding") not in ("", "identity"):
            raise Refusal(415, "unsupported_media_type", "compressed bodies are not read: send it as it is")
        length = self.header("content-length")
        if length.isdecimal() and int(length) > limit:
            raise _too_large(limit)
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._note_leaving()
                raise Refusal(499, "client_gone", "the client left before its request was whole")
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
            size += len(parts[-1])
            if size > limit:
                raise _too_large(limit)
        return b"".join(parts)

    async def left(self) -> None:
        """Return when the client has gone; what it sends after its request is not read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._note_leaving()

    async def reply(
        self, body: bytes, *, status: int = 200, kind: str = JSON, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Answer whole."""
        await self._start(status, kind, (*headers, ("content-length", str(len(body)))))
        self._is_ended = True
        await self._send({"type": "http.response.body", "body": body if self.method != "HEAD" else b""})

    async def fail(self, failure: Failure) -> None:
        """Answer with an error; nothing may have been answered yet."""
        self._note_failure(failure)
        await self.reply(failure.body, status=failure.status, headers=failure.headers)

    async def fail_late(self, failure: Failure) -> None:
        """End a stream that has begun with an error: as an event, and then the end of all events."""
        self._note_failure(failure)
        await self.end(b"data: " + failure.body + b"\n\n" + DONE)

    async def start(self, kind: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Begin an answer that is written in pieces."""
        await self._start(200, kind, headers)

    async def write(self, data: bytes) -> None:
        """Write a piece; waits where the client reads slowly."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Write the last piece; a client that left gets none."""
        if not self._is_ended and not self.is_gone:
            self._is_ended = True
            await self._send({"type": "http.response.body", "body": data})

    def _note_failure(self, failure: Failure) -> None:
        self.failure = failure
        self.notes["error"] = failure.code

    def _note_leaving(self) -> None:
        self.is_gone = True
        self.status = self.status or 499

    async def _start(self, status: int, kind: str, headers: Iterable[tuple[str, str]]) -> None:
        self.status = status
        rows = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]
        head = [(b"content-type", kind.encode()), (b"x-request-id", self.request_id.encode()), *self.headers, *rows]
        await self._send({"type": "http.response.start", "status": status, "headers": head})


def new_request_id() -> str:
    """One that nobody sent."""
    return secrets.token_hex(12)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, "body_too_large", f"the body has more than {limit} bytes, which is this server's limit")
