"""HTTP/1.1 below the application: what is too large, broken or slow. `tests/e2e/test_serve_robust.py` goes further."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any

import pytest

from server.asgi import HELLO, serving
from server.listening import listening, said

HEALTH = b"GET /health HTTP/1.1\r\nhost: localhost\r\n"
END = b"connection: close\r\n\r\n"
BODY = json.dumps({"messages": HELLO}).encode()
ASK = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


def answered(*requests: bytes, end: bytes | None = None, **settings: Any) -> list[bytes]:
    """What comes back for each, on a connection of its own, until that is closed or `end` has come."""

    async def whole() -> list[bytes]:
        async with listening(serving(port=0, drain_seconds=0, **settings)) as url:
            return list(await asyncio.gather(*[said(url, data, end=end) for data in requests]))

    return asyncio.run(whole())


def status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


def test_a_request_is_answered() -> None:
    (reply,) = answered(HEALTH + END)
    assert status(reply) == 200
    assert reply.endswith(b'{"status":"ok"}')


def test_a_head_has_a_limit() -> None:
    long = b"x-long: " + b"x" * 2000 + b"\r\n"
    many = b"".join(b"x-%d: y\r\n" % number for number in range(500))
    fits, *others = answered(
        HEALTH + b"x-long: x\r\n" + END, HEALTH + long + END, HEALTH + many + END, end=b"}", max_header_bytes=1000
    )
    assert status(fits) == 200
    for reply in others:
        head, _, body = reply.partition(b"\r\n\r\n")
        assert status(head) == 431
        assert json.loads(body + b"}")["error"]["code"] == "headers_too_large"


@pytest.mark.parametrize("data", [b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00"])
def test_what_is_no_http_is_told_in_the_error_object(data: bytes) -> None:
    (reply,) = answered(data, end=b"}}")
    head, _, body = reply.partition(b"\r\n\r\n")
    assert status(head) == 400
    assert json.loads(body)["error"]["code"] == "invalid_http"


def test_what_is_refused_before_it_is_a_request_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def whole() -> tuple[list[bytes], str]:
        server = serving(port=0, drain_seconds=0, max_header_bytes=1000)
        async with listening(server) as url:
            asks = (b"hello\r\n\r\n", HEALTH + b"x-long: " + b"x" * 2000 + b"\r\n\r\n")
            return [await said(url, data) for data in asks], server.service.metrics.text()

    with caplog.at_level(logging.INFO, "duihua.server.requests"):
        replies, counted = asyncio.run(whole())
    lines = [record.getMessage() for record in caplog.records if record.name == "duihua.server.requests"]
    codes = {400: "invalid_http", 431: "headers_too_large"}
    for reply, line, (number, code) in zip(replies, lines, codes.items(), strict=True):
        (request_id,) = re.findall(rb"x-request-id: (\w{24})\r\n", reply)
        assert line == f"- other status={number} request_id={request_id.decode()} error={code}"
        assert f'duihua_requests_total{{path="other",status="{number}"}} 1\n' in counted
        assert f'duihua_errors_total{{code="{code}"}} 1\n' in counted


def test_a_head_that_does_not_come_is_waited_for_so_long() -> None:
    assert answered(HEALTH, b"", keep_alive_seconds=1) == [b"", b""]


def test_a_body_may_come_in_pieces_of_any_size() -> None:
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (BODY[:1], BODY[1:20], BODY[20:]))
    (reply,) = answered(ASK + b"transfer-encoding: chunked\r\n" + END + pieces + b"0\r\n\r\n")
    assert status(reply) == 200
    assert b'"hello world"' in reply


def test_requests_may_follow_each_other_at_once() -> None:
    whole = ASK + b"content-length: %d\r\n" % len(BODY)
    (reply,) = answered(whole + b"\r\n" + BODY + HEALTH + b"\r\n" + whole + END + BODY)
    assert reply.count(b"HTTP/1.1 200 OK") == 3
    assert reply.count(b'"hello world"') == 2
    assert reply.index(b"ok") > reply.index(b"hello world")


def test_a_client_of_the_first_version_gets_no_chunks() -> None:
    streamed = json.dumps({"messages": HELLO, "stream": True}).encode()
    asked = [
        ASK.replace(b"HTTP/1.1", b"HTTP/1.0") + b"content-length: %d\r\n\r\n%b" % (len(body), body)
        for body in (BODY, streamed)
    ]
    whole, stream = answered(*asked)
    for reply in (whole, stream):
        head = reply.partition(b"\r\n\r\n")[0].lower()
        assert status(reply) == 200
        assert b"chunked" not in head
        assert b"connection: close" in head
    assert json.loads(whole.partition(b"\r\n\r\n")[2])["choices"]
    frames = stream.partition(b"\r\n\r\n")[2]
    assert frames.startswith(b"data: {")
    assert frames.endswith(b"data: [DONE]\n\n")
    assert all(line.startswith(b"data: ") for line in frames.split(b"\n") if line)


def test_a_wish_for_another_protocol_is_passed_over() -> None:
    """Java's client sends one with whatever it asks first."""
    wish = b"connection: Upgrade, HTTP2-Settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n"
    (reply,) = answered(ASK + wish + b"content-length: %d\r\n\r\n" % len(BODY) + BODY, end=b'"hello world"')
    assert status(reply) == 200
    assert b'"hello world"' in reply


def test_the_names_of_a_request_id_survive_the_wire() -> None:
    (reply,) = answered(HEALTH + b"X-Request-ID: mine\r\n" + END)
    assert b"x-request-id: mine\r\n" in reply
