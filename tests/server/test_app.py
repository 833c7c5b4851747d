"""Routes, methods, and errors that nobody raised on purpose."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from chat.talk import chat
from duihua.engine.scripted import ScriptedEngine
from server.asgi import CHAT, Server, ask, asked, serving


@pytest.mark.parametrize(
    "path", ["/", "/strange", "/v1", "/v1/", "/v1/models/", "/v1/chat/completions/", "/V1/models", "//v1/models", "*", "",
             "/v1/chat/completions?x", "/../etc/passwd", "/\x00", "/" + "x" * 60_000, "/你好"],
)  # fmt: skip
def test_an_unknown_path_is_refused(path: str) -> None:
    for method in ("GET", "POST", "HEAD"):
        reply = ask(serving(), method, path)
        assert reply.status == 404
        if method != "HEAD":
            assert reply.error["code"] == "not_found"
        assert len(reply.body) < 2000


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/responses", "/v1/embeddings"])
def test_a_path_of_a_later_version_says_so(path: str) -> None:
    assert "later version" in ask(serving(), "POST", path).error["message"]


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [(CHAT, "GET", "POST"), (CHAT, "HEAD", "POST"), (CHAT, "OPTIONS", "POST"), ("/v1/models", "POST", "HEAD"), ("/v1/models", "POST", "GET"),
     ("/v1/models/scripted", "DELETE", "GET"), ("/health", "PUT", "GET"), ("/tokenize", "GET", "POST"),
     ("/docs", "x" * 5000, "GET")],
)  # fmt: skip
def test_another_method_is_refused_and_told_which(path: str, method: str, allowed: str) -> None:
    reply = ask(serving(), method, path)
    assert reply.status == 405
    assert allowed in reply.headers["allow"].split(", ")
    assert len(reply.body) < 2000


def test_head_is_allowed_only_where_it_is_answered() -> None:
    assert ask(serving(), "HEAD", "/version").status == 200
    assert ask(serving(), "PUT", "/version").headers["allow"] == "GET, HEAD"
    assert ask(serving(), "PUT", CHAT).headers["allow"] == "POST"


def test_every_reply_has_a_type_and_an_id() -> None:
    replies = [
        ask(serving(), "GET", path) for path in ("/health", "/ready", "/version", "/metrics", "/docs", "/strange")
    ]
    replies += [asked(serving()), asked(serving(), stream=True), asked(serving(), strange=1)]
    for reply in replies:
        assert reply.headers["content-type"]
        assert reply.headers["x-request-id"]


def test_health_ready_and_version_are_told() -> None:
    assert ask(serving(), "GET", "/health").json() == {"status": "ok"}
    assert ask(serving("hello"), "GET", "/ready").json() == {"status": "ready"}
    assert "version" in ask(serving(), "GET", "/version").json()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_mistake_of_ours_is_logged_and_not_told(streamed: bool, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: object) -> list[int]:
        raise ZeroDivisionError("secret of /var/lib")

    with caplog.at_level(logging.ERROR, "duihua.server"):
        reply = asked(Server(chat(ScriptedEngine(broken))), stream=streamed)
    assert (reply.status, reply.error["code"]) == (500, "internal_error")
    assert b"secret" not in reply.body
    assert reply.headers["x-request-id"] in caplog.text
    assert "secret of /var/lib" in caplog.text


def test_a_mistake_of_ours_within_a_stream_is_an_event_too(caplog: pytest.LogCaptureFixture) -> None:
    async def gate() -> None:
        if server.service.metrics.first_token.total:
            raise ZeroDivisionError("secret")

    over = ScriptedEngine([[5, 6, 7, 8]], gate=gate)
    server = Server(chat(over))
    with caplog.at_level(logging.CRITICAL, "duihua.server"):
        reply = asked(server, stream=True)
    *_, last, done = reply.data
    assert (reply.status, done) == (200, "[DONE]")
    assert "internal_error" in last
    assert "secret" not in last


def test_other_kinds_of_connection_are_refused() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {}

    asyncio.run(serving().app({"type": "websocket"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1003}]
    with pytest.raises(NotImplementedError):
        asyncio.run(serving().app({"type": "lifespan"}, receive, send))
