"""Listening and ending; with processes, in `tests/e2e/test_serve_life.py`."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from chat.talk import chat, engine
from duihua.server.run import new_loop
from server.asgi import CHAT, HELLO, Gate, Server, serving
from server.listening import listening, said

HEALTH = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


def test_a_free_port_is_found_and_told() -> None:
    async def whole() -> str:
        async with listening(serving(port=0)) as url:
            assert (await said(url, HEALTH)).startswith(b"HTTP/1.1 200 OK\r\n")
            return url

    url = asyncio.run(whole())
    assert url.startswith("http://127.0.0.1:")
    assert not url.endswith(":0")
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(said(url, HEALTH))


def test_a_first_signal_lets_answers_end_and_a_second_ends_them() -> None:
    async def whole(signals: int) -> bytes:
        gate = Gate(1)
        server = Server(chat(engine("hello world", gate=gate)), port=0)
        async with listening(server), server.call("POST", CHAT, {"messages": HELLO, "stream": True}) as call:
            await call.sees(b'"content":"')
            for _ in range(signals):
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.sleep(0)
            while not server.service.running.is_draining:  # noqa: ASYNC110  nothing says so
                await asyncio.sleep(0)
            if signals == 1:
                gate.release(30)
            return (await call.ended()).body

    assert b'"finish_reason":"stop"' in asyncio.run(whole(1))
    ended = asyncio.run(whole(2))
    assert b"server_ending" in ended
    assert ended.endswith(b"data: [DONE]\n\n")


def test_a_server_s_loop_is_a_loop() -> None:
    loop = new_loop()
    assert loop.run_until_complete(asyncio.sleep(0, "done")) == "done"
    loop.close()
