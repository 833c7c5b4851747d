"""One request and its reply: bodies, content types, ids, and clients that leave."""

from __future__ import annotations

import asyncio
import json

import pytest

from server.asgi import CHAT, HELLO, JSON, ask, exchange_of, serving

BODY = json.dumps({"messages": HELLO}).encode()
LIMIT = 8 * 1024 * 1024


def padded(size: int) -> bytes:
    """A request of exactly so many bytes."""
    return BODY + b" " * (size - len(BODY))


def test_a_body_may_be_as_large_as_the_limit_and_no_larger() -> None:
    assert ask(serving(), "POST", CHAT, padded(LIMIT)).status == 200
    for path in (CHAT, "/tokenize", "/detokenize"):
        reply = ask(serving(), "POST", path, padded(LIMIT + 1))
        assert (reply.status, reply.error["code"]) == (413, "body_too_large")
        assert "8388608 bytes" in reply.error["message"]


def test_a_body_may_come_in_pieces() -> None:
    assert ask(serving(), "POST", CHAT, [BODY[i : i + 1] for i in range(len(BODY))]).status == 200
    assert ask(serving(), "POST", CHAT, [b"", BODY, b""]).status == 200


def test_a_body_that_says_nothing_of_its_size_is_counted() -> None:
    pieces = [b" " * 1000 for _ in range(20)]
    assert ask(serving(max_body_bytes=20_000 + len(BODY)), "POST", CHAT, [*pieces, BODY]).status == 200
    assert ask(serving(max_body_bytes=19_999 + len(BODY)), "POST", CHAT, [*pieces, BODY]).status == 413


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    async def told() -> int:
        server = serving(max_body_bytes=1000)
        headers = (*JSON, ("content-length", "1001"))
        call = server.call("POST", CHAT, [], headers=headers)
        async with call:
            call.incoming.get_nowait()  # nothing ever comes
            return (await call.ended()).status

    assert asyncio.run(told()) == 413


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON ;x=y"])
def test_json_is_read(kind: str) -> None:
    assert ask(serving(), "POST", CHAT, BODY, headers=(("content-type", kind),)).status == 200


@pytest.mark.parametrize("headers", [(), (("content-type", ""),), (("content-type", "text/json"),),
                                     (*JSON, ("content-encoding", "gzip"))])  # fmt: skip
@pytest.mark.parametrize("path", [CHAT, "/tokenize", "/detokenize"])
def test_other_types_of_content_are_not_read(path: str, headers: tuple[tuple[str, str], ...]) -> None:
    reply = ask(serving(), "POST", path, BODY, headers=headers)
    assert (reply.status, reply.error["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("given", ["mine-1", "x" * 128, "a b;c"])
def test_a_request_s_id_is_echoed(given: str) -> None:
    for path in ("/version", "/strange"):
        assert ask(serving(), "GET", path, headers=(("X-Request-Id", given),)).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "\xe9", "a\tb", "a\x7f"])
def test_an_id_that_is_not_fit_to_be_echoed_is_replaced(given: str) -> None:
    made = [ask(serving(), "GET", "/version", headers=(("x-request-id", given),)).headers["x-request-id"] for _ in "ab"]
    assert len(set(made)) == 2
    assert all(len(each) == 24 and each != given for each in made)


def test_head_has_the_head_of_get_and_no_body() -> None:
    for path in ("/health", "/version", "/v1/models", "/strange"):
        got, headed = (ask(serving(), method, path) for method in ("GET", "HEAD"))
        assert headed.status == got.status
        assert headed.body == b""
        assert headed.headers["content-length"] == str(len(got.body))


def test_a_client_that_leaves_in_its_body_is_answered_nothing() -> None:
    async def told() -> tuple[int, int]:
        server = serving()
        call = server.call("POST", CHAT, [BODY[:10], BODY[10:]])
        call.incoming.get_nowait()
        call.incoming.get_nowait()
        call.incoming.put_nowait({"type": "http.request", "body": BODY[:10], "more_body": True})
        async with call:
            call.leave()
            await call.ended()
        return call.reply.status, server.service.running.count

    assert asyncio.run(told()) == (0, 0)


def test_the_end_is_written_once() -> None:
    async def told() -> bytes:
        exchange, reply = exchange_of()
        await exchange.start("text/plain")
        await exchange.write(b"a")
        await exchange.end(b"b")
        await exchange.end(b"c")
        return reply.body

    assert asyncio.run(told()) == b"ab"


def test_a_client_that_left_is_waited_for_without_reading_on() -> None:
    async def told() -> bool:
        exchange, _ = exchange_of(b"more", b"and more")
        waiting = asyncio.create_task(exchange.left())
        await asyncio.sleep(0)
        assert not waiting.done()
        assert not exchange.is_gone
        waiting.cancel()
        return waiting.done()

    asyncio.run(told())
