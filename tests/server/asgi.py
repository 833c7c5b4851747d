"""A client that calls the server's ASGI application directly: no socket, every message in sight."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self

from chat.talk import Turnstile, chat, engine, ids
from duihua.access import Keys
from duihua.chat.chat import Chat
from duihua.chat.protocol import ChatService
from duihua.engine.scripted import ScriptedEngine
from duihua.server.app import App
from duihua.server.exchange import Exchange
from duihua.server.service import Service
from duihua.server.settings import ServeSettings
from prompt import traits

__all__ = ["CHAT", "HELLO", "JSON", "Call", "Gate", "Reply", "Server", "ask", "asked", "exchange_of", "serving"]

CHAT = "/v1/chat/completions"
JSON = (("content-type", "application/json"),)
HELLO = ({"role": "user", "content": "hello"},)


class Gate(Turnstile):
    """A turnstile that can be opened further."""

    def release(self, tokens: int) -> None:
        """Let so many more through."""
        for _ in range(tokens):
            self._left.release()


@dataclass(slots=True)
class Reply:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    pieces: list[bytes] = field(default_factory=list[bytes])  # of the body, as they were written
    is_whole: bool = False

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error object; it has OpenAI's four fields at least, and says something."""
        error: dict[str, Any] = self.json()["error"]
        assert {"message", "type", "param", "code"} <= set(error)
        assert error["message"]
        return error

    @property
    def data(self) -> list[str]:
        """What stands after each `data:` of a stream; every event is whole, comments are left out."""
        assert self.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert self.body.endswith(b"\n\n")
        events = self.body.decode().removesuffix("\n\n").split("\n\n")
        return [event.removeprefix("data: ") for event in events if not event.startswith(":")]

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """The chunks of a stream, which ends with [DONE]."""
        *chunks, last = self.data
        assert last == "[DONE]"
        return [json.loads(chunk) for chunk in chunks]

    @property
    def text(self) -> str:
        """The first choice's text, streamed or whole."""
        if self.headers["content-type"] == "application/json":
            return self.json()["choices"][0]["message"]["content"]
        rows = [row for chunk in self.chunks for row in chunk["choices"] if row["index"] == 0]
        return "".join(row["delta"].get("content") or "" for row in rows)


class Call:
    """One request that is being answered; it can be watched, and left."""

    def __init__(self, app: App, scope: dict[str, Any], pieces: Sequence[bytes]) -> None:
        self.reply = Reply()
        self._app = app
        self._scope = scope
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for number, piece in enumerate(pieces or [b""]):
            more = number < len(pieces) - 1
            self.incoming.put_nowait({"type": "http.request", "body": piece, "more_body": more})
        self._moved = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._app(self._scope, self.incoming.get, self.send))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()
        await self.ended()

    def leave(self) -> None:
        """The client closes the connection."""
        self.incoming.put_nowait({"type": "http.disconnect"})

    async def ended(self) -> Reply:
        """Wait until the application has done all it does for this request."""
        assert self._task is not None
        await self._task
        return self.reply

    async def sees(self, text: bytes) -> None:
        """Wait until this has been written."""
        async with self._moved:
            await self._moved.wait_for(lambda: text in self.reply.body or self.reply.is_whole)
        assert text in self.reply.body

    async def send(self, message: Mapping[str, Any]) -> None:
        """Take in what the application answers."""
        reply = self.reply
        async with self._moved:
            if message["type"] == "http.response.start":
                assert reply.status == 0, "a reply began twice"
                reply.status = message["status"]
                rows = [(name.decode(), value.decode("latin-1")) for name, value in message["headers"]]
                reply.headers = dict(rows)
                assert len(rows) == len(reply.headers), "a header stands there twice"
                assert not any(c in value for value in reply.headers.values() for c in "\r\n\0")
            else:
                assert reply.status, "a body came before its head"
                assert not reply.is_whole, "something came after the end"
                reply.body += message["body"]
                reply.pieces.append(message["body"])
                reply.is_whole = not message.get("more_body", False)
            self._moved.notify_all()


class Server:
    """An application over a chat; belongs to one event loop."""

    def __init__(
        self,
        over: ChatService,
        *,
        keys: Sequence[str] = (),
        admin_keys: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        self.service = Service(over, ServeSettings(**settings), keys=Keys.of(keys), admin_keys=Keys.of(admin_keys))
        self.app = App(self.service)

    def call(
        self,
        method: str,
        path: str,
        body: object = b"",
        *,
        headers: Sequence[tuple[str, str]] = JSON,
        host: str = "127.0.0.1:8000",
    ) -> Call:
        """Begin a request.

        Args:
            body: sent as it is where it is bytes, in pieces where it is a list of bytes, else as JSON.
        """
        pieces = body if isinstance(body, list) else [body if isinstance(body, bytes) else json.dumps(body).encode()]
        rows = [("host", host), *headers] if host else list(headers)
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in rows],
        }
        return Call(self.app, scope, pieces)  # pyright: ignore[reportArgumentType]  a list of bytes

    async def fetch(self, method: str, path: str, body: object = b"", **more: Any) -> Reply:
        """A request and its whole reply."""
        async with self.call(method, path, body, **more) as call:
            return await call.ended()

    async def chat(self, messages: Any = HELLO, **fields: Any) -> Reply:
        """Ask for an answer."""
        return await self.fetch("POST", CHAT, {"messages": list(messages), **fields})


def serving(*answers: str, template: str = traits.CHATML, size: int = 4096, **more: Any) -> Server:
    """A server whose model gives these answers; without any it always says "hello world", and is made once."""
    over = chat(engine(*answers, size=size), template, reasoning=("<think>", "</think>")) if answers else _steady()
    return Server(over, **more)


def ask(server: Server, method: str, path: str, body: object = b"", **more: Any) -> Reply:
    """One request, in an event loop of its own."""
    return _run(server, server.fetch(method, path, body, **more))


def asked(server: Server, messages: Any = HELLO, **fields: Any) -> Reply:
    """One chat request, in an event loop of its own."""
    return _run(server, server.chat(messages, **fields))


def exchange_of(*pieces: bytes, method: str = "POST", path: str = CHAT, **headers: str) -> tuple[Exchange, Reply]:
    """An exchange without an application, and where its reply arrives; `_` in a header's name is `-`."""
    rows = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    call = Call(App.__new__(App), {"type": "http"}, pieces)
    return Exchange({"method": method, "path": path, "headers": rows}, call.incoming.get, call.send), call.reply


@cache
def _steady() -> Chat:
    return chat(ScriptedEngine(lambda _: ids("hello world")))


def _run(server: Server, request: Coroutine[Any, Any, Reply]) -> Reply:
    async def whole() -> Reply:
        try:
            return await request
        finally:
            await server.service.aclose()

    return asyncio.run(whole())
