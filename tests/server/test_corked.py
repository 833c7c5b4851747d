"""What goes out in one write: a head with the piece that follows it at once, and nothing later than its turn."""

from __future__ import annotations

import asyncio

from duihua.server.corked import Corked

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Wire:
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True


def corked(wire: Wire) -> Corked:
    return Corked(wire, asyncio.get_running_loop())


def test_a_head_goes_out_with_the_piece_that_follows_it() -> None:
    async def scenario() -> None:
        transport = corked(wire := Wire())
        transport.write(HEAD)
        assert not wire.writes
        transport.write(b"first")
        transport.write(b"second")
        assert wire.writes == [HEAD + b"first", b"second"]

    asyncio.run(scenario())


def test_a_head_that_nothing_follows_goes_out_when_the_turn_ends() -> None:
    async def scenario() -> None:
        transport = corked(wire := Wire())
        transport.write(HEAD)
        await asyncio.sleep(0)
        assert wire.writes == [HEAD]
        transport.write(b"later")
        assert wire.writes == [HEAD, b"later"]

    asyncio.run(scenario())


def test_closing_writes_what_was_kept_and_aborting_does_not() -> None:
    async def scenario() -> None:
        transport = corked(closed := Wire())
        transport.write(HEAD)
        transport.close()
        transport = corked(aborted := Wire())
        transport.write(HEAD)
        transport.abort()
        await asyncio.sleep(0)
        assert (closed.writes, closed.is_closed) == ([HEAD], True)
        assert (aborted.writes, aborted.is_closed) == ([], True)

    asyncio.run(scenario())


def test_nothing_is_written_to_a_connection_that_was_lost_meanwhile() -> None:
    async def scenario() -> None:
        transport = corked(wire := Wire())
        transport.write(HEAD)
        wire.is_closed = True
        await asyncio.sleep(0)
        assert not wire.writes

    asyncio.run(scenario())
