"""One turn from beginning to end: clients that leave, deadlines, pings, full queues, the server's end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from chat.talk import chat, engine, ids
from duihua.engine.scripted import ScriptedEngine
from duihua.errors import GenerationFailed
from duihua.events import Chunk
from duihua.request import GenerationRequest
from server.asgi import CHAT, HELLO, Call, Gate, Reply, Server, asked, serving

STREAM = {"messages": HELLO, "stream": True}
WHOLE = {"messages": HELLO}


def paced(tokens: int, *answers: str) -> tuple[ScriptedEngine, Gate, Server]:
    """A server whose engine stops after so many tokens."""
    gate = Gate(tokens)
    over = engine(*answers or ("hello world",), gate=gate)
    return over, gate, Server(chat(over))


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110  nothing says so
            await asyncio.sleep(0)


def test_a_stream_is_written_as_the_tokens_come() -> None:
    async def whole() -> Reply:
        _, gate, server = paced(1)
        async with server.call("POST", CHAT, STREAM) as call:
            await gate.reached.wait()
            await call.sees(b'"content":"')
            assert not call.reply.is_whole
            gate.release(30)
            return await call.ended()

    reply = asyncio.run(whole())
    assert reply.text == "hello world"
    assert reply.headers["cache-control"] == "no-cache"
    assert reply.headers["x-accel-buffering"] == "no"
    assert "content-length" not in reply.headers


def test_the_end_of_a_stream_goes_out_at_once() -> None:
    reply = asked(serving(), stream=True, stream_options={"include_usage": True})
    *_, last = reply.pieces
    finish, usage, done = last.removesuffix(b"\n\n").split(b"\n\n")
    assert b'"finish_reason":"stop"' in finish
    assert b'"usage":{"prompt_tokens"' in usage
    assert done == b"data: [DONE]"
    assert len(asked(serving(), stream=True, max_tokens=1).pieces) == 1


def test_an_answer_that_is_lost_at_its_very_end_is_told_to_there() -> None:
    class Closing(ScriptedEngine):
        async def generate(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
            try:
                async for chunk in super().generate(request):
                    yield chunk
            finally:
                raise GenerationFailed("it would not close")

    server = Server(chat(Closing([ids("hello world")])))
    reply = asyncio.run(server.chat(stream=True))
    chunk, last, done = reply.data[-3:]
    assert json.loads(chunk)["choices"][0]["finish_reason"] == "stop"
    assert (json.loads(last)["error"]["code"], done) == ("generation_failed", "[DONE]")


def test_a_whole_reply_says_its_length() -> None:
    reply = asked(serving())
    assert reply.headers["content-length"] == str(len(reply.body))
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("tokens", [0, 1, 2])
@pytest.mark.parametrize("body", [STREAM, WHOLE, {**STREAM, "n": 2}, {**WHOLE, "best_of": 2}])
def test_a_client_that_leaves_frees_its_place(tokens: int, body: dict[str, object]) -> None:
    async def whole() -> Call:
        over, gate, server = paced(tokens, "hello world", "hello world")
        async with server.call("POST", CHAT, body) as call:
            await gate.reached.wait()
            assert server.service.running.count == 1
            call.leave()
            await call.ended()
            assert server.service.running.count == 0
            assert sorted(over.closed) == sorted(request.request_id for request in over.requests)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return call

    call = asyncio.run(whole())
    assert not call.reply.is_whole
    assert b"[DONE]" not in call.reply.body


@pytest.mark.parametrize("streamed", [False, True])
def test_a_deadline_ends_an_answer(streamed: bool) -> None:
    async def whole() -> tuple[Reply, Reply]:
        gate = Gate(1)
        over = engine("hello world", "hello", gate=gate)
        server = Server(chat(over), deadline_seconds=1)
        begun = server.fetch("POST", CHAT, {**WHOLE, "stream": streamed})
        queued = server.fetch("POST", CHAT, {**WHOLE, "stream": streamed})
        replies = await asyncio.gather(begun, queued)
        assert len(over.closed) == 2
        return replies[0], replies[1]

    begun, queued = asyncio.run(whole())
    assert (queued.status, queued.error["code"]) == (504, "deadline_exceeded")
    if streamed:
        *_, last, done = begun.data
        assert (begun.status, done) == (200, "[DONE]")
        assert json.loads(last)["error"]["code"] == "deadline_exceeded"
    else:
        assert begun.status == 504


def test_a_silent_stream_is_pinged_and_then_errors_are_events() -> None:
    async def whole() -> Reply:
        gate = Gate(0)
        over = engine("hello", gate=gate, failure=(0, GenerationFailed("x")))
        server = Server(chat(over), ping_seconds=0.01)
        async with server.call("POST", CHAT, STREAM) as call:
            await call.sees(b": ping\n\n: ping\n\n")
            gate.release(1)
            return await call.ended()

    reply = asyncio.run(whole())
    assert reply.status == 200
    *_, last, done = reply.data
    assert (json.loads(last)["error"]["code"], done) == ("generation_failed", "[DONE]")


def test_a_stream_that_flows_is_not_pinged() -> None:
    assert b"ping" not in asked(serving(ping_seconds=0.001), stream=True).body
    assert b"ping" not in asked(serving("hello world", ping_seconds=0), stream=True).body


def test_a_full_queue_refuses_and_lets_in_again() -> None:
    async def whole() -> list[Reply]:
        gate = Gate(0)
        server = Server(chat(engine("hello", "hello", gate=gate)), max_waiting=1)
        async with server.call("POST", CHAT, STREAM) as call:
            await gate.reached.wait()
            refused = await server.chat()
            gate.release(30)
            await call.sees(b"data: ")
            return [refused, await call.ended(), await server.chat()]

    refused, first, second = asyncio.run(whole())
    assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (429, "engine_busy", "1")
    assert (first.status, second.status) == (200, 200)


def ending(draining: Callable[[Server], Awaitable[None]]) -> tuple[Reply, Reply, Reply]:
    """What a stream, a whole request and a late one are told when the server ends."""

    async def whole() -> tuple[Reply, Reply, Reply]:
        gate = Gate(1)
        server = Server(chat(engine("hello world", "hello", gate=gate)))
        async with server.call("POST", CHAT, STREAM) as stream, server.call("POST", CHAT, WHOLE) as waiting:
            await stream.sees(b"data: ")
            await until(lambda: server.service.running.count == 2)
            await draining(server)
            late = await server.chat()
            assert (await server.fetch("GET", "/ready")).status == 503
            return await stream.ended(), await waiting.ended(), late

    return asyncio.run(whole())


def test_the_server_s_end_ends_each_answer_with_an_error() -> None:
    async def at_once(server: Server) -> None:
        await server.service.running.drain(0)

    stream, waiting, late = ending(at_once)
    *_, last, done = stream.data
    assert (json.loads(last)["error"]["code"], done) == ("server_ending", "[DONE]")
    for reply in (waiting, late):
        assert (reply.status, reply.error["code"], reply.headers["retry-after"]) == (503, "server_ending", "5")


def test_the_log_says_how_it_went_and_not_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    private = [{"role": "user", "content": "my secret"}]
    with caplog.at_level(logging.INFO, "duihua"):
        asked(serving(), private)
        asked(serving(), private, stream=True)
        asked(serving(), private, **{"my secret": 1})
    lines = [record.getMessage() for record in caplog.records if record.name == "duihua.server.requests"]
    assert len(lines) == 3
    assert all(word in lines[0] for word in ("status=200", "model=scripted", "completion_tokens=", "streamed=False"))
    assert "secret" not in "".join(lines)
    with caplog.at_level(logging.INFO, "duihua"):
        asked(serving(log_prompts=True), private)
    assert "my secret" in caplog.records[-1].getMessage()
