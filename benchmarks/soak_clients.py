"""The clients of the soak: patient ones, ones that leave, ones that ask nonsense. Each checks what it is told."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from answers import Answer, BadAnswer, Piece, read_answer
from geometries import make_text
from load import MODEL_NAME

__all__ = ["Clients", "Surprise"]

_POOL: Final = 200  # texts: caches are full of them soon, and what grows then is a leak
_PATIENCE_S: Final = 120.0
_CHAT: Final = "/v1/chat/completions"
# A body, or a change of a good one, and the status that it deserves.
_BAD: Final[tuple[tuple[bytes | dict[str, Any], int], ...]] = (
    (b"{", 400),
    (b"[]", 400),
    (b"\xff\xfe", 400),
    ({"messages": []}, 400),
    ({"messages": "hello"}, 400),
    ({"messages": [{"role": "banana", "content": "hello"}]}, 400),
    ({"model": "another"}, 404),
    ({"temperature": -1}, 400),
    ({"top_p": 7}, 400),
    ({"n": 0}, 400),
    ({"max_tokens": -5}, 400),
    ({"stop": 5}, 400),
    ({"no_such_field": 1}, 400),
)


class Surprise(Exception):
    """A request was answered as it should not have been."""


class Clients:
    """Clients of one server, as many at once as there are tasks in `mingle`.

    Attributes:
        done: how often each kind of client has been there.
        surprises: what was answered that should not have been, and to whom.
    """

    def __init__(self, port: int, *, window: int, adapters: list[str], key: str | None, seed: int = 0) -> None:
        """Know the server.

        Args:
            port: of it, on this machine.
            window: tokens that its model takes.
            adapters: folders of its adapter directory.
            key: sent with every request.
            seed: for what is asked and in which order.
        """
        self.done: Counter[str] = Counter()
        self.surprises: list[str] = []
        self._port, self._adapters, self._key = port, adapters, key
        self._random = random.Random(seed)
        self._texts = [make_text(f"soak {seed} {i}", 4 + i % 30) for i in range(_POOL)]
        self._long = [make_text(f"long {seed} {i}", max(8, window // 6)) for i in range(10)]
        self._too_long = make_text("too long", window)  # two to three tokens a word
        self._one_adapter = asyncio.Lock()
        self._loaded = 0

    async def mingle(self, until: float) -> None:
        """Be one client after the other, of every kind, until then (`time.monotonic`)."""
        kinds: list[Callable[[], Awaitable[None]]] = [
            *[self.streamed] * 6,
            *[self.whole] * 4,
            *[self.leaves_stream] * 4,
            *[self.leaves_whole] * 3,
            *[self.leaves_while_asking] * 1,
            *[self.asks_badly] * 3,
            *[self.asks_too_much] * 1,
            *[self.long_prompt] * 2,
            *([self.with_adapter] if self._adapters else []),
        ]
        while time.monotonic() < until:
            kind = self._random.choice(kinds)
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await kind()
            except (BadAnswer, Surprise, OSError, TimeoutError) as error:
                self.surprises.append(f"{kind.__name__}: {error!r}")
            self.done[kind.__name__] += 1

    async def streamed(self) -> None:
        """Reads a streamed answer to its end."""
        await self._answered(self._body(stream=True, stream_options={"include_usage": True}))

    async def whole(self) -> None:
        """Waits for a whole answer."""
        more: dict[str, Any] = self._random.choice(
            [{}, {"n": 2, "temperature": 0.9}, {"logprobs": True, "top_logprobs": 2}]
        )
        await self._answered(self._body(**more))

    async def long_prompt(self) -> None:
        """Asks at length."""
        await self._answered(
            self._body(self._random.choice(self._long), stream=True, stream_options={"include_usage": True})
        )

    async def leaves_stream(self) -> None:
        """Closes after some pieces of an answer."""
        await self._leave(self._body(stream=True, max_tokens=512, ignore_eos=True), pieces=self._random.randint(1, 12))

    async def leaves_whole(self) -> None:
        """Closes while a whole answer is made."""
        await self._leave(self._body(max_tokens=512, ignore_eos=True), pieces=0)

    async def leaves_while_asking(self) -> None:
        """Closes in the middle of its request."""
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        request = self._request(_CHAT, self._body())
        writer.write(request[: self._random.randrange(1, len(request))])
        await writer.drain()
        writer.close()

    async def asks_badly(self) -> None:
        """Sends what is no request."""
        change, wanted = self._random.choice(_BAD)
        body = change if isinstance(change, bytes) else self._body(**change)
        self._refused(await self._ask(_CHAT, body), wanted)

    async def asks_too_much(self) -> None:
        """Sends more than the window holds."""
        self._refused(await self._ask(_CHAT, self._body(self._too_long)), 400)

    async def with_adapter(self) -> None:
        """Loads an adapter, asks it, and has it forgotten."""
        async with self._one_adapter:
            self._loaded += 1
            name, folder = f"soak-{self._loaded}", self._random.choice(self._adapters)
            await self._post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": folder})
            await self._answered(self._body(model=name))
            await self._post("/v1/unload_lora_adapter", {"lora_name": name})

    def _body(self, text: str = "", **more: Any) -> bytes:
        message = {"role": "user", "content": text or self._random.choice(self._texts)}
        known = {"model": MODEL_NAME, "messages": [message], "max_tokens": self._random.randint(1, 48)}
        return json.dumps(known | {"temperature": self._random.choice([0.0, 0.8])} | more).encode()

    def _request(self, path: str, body: bytes) -> bytes:
        key = f"Authorization: Bearer {self._key}\r\n" if self._key else ""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{key}Content-Type: application/json\r\nConnection: close\r\n"
        )
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def _ask(self, path: str, body: bytes) -> list[Piece]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(self._request(path, body))
            pieces: list[Piece] = []
            while data := await reader.read(65_536):
                pieces.append((time.perf_counter(), data))
            return pieces
        finally:
            writer.close()

    async def _answered(self, body: bytes) -> Answer:
        return read_answer(0.0, await self._ask(_CHAT, body))

    async def _post(self, path: str, body: Mapping[str, Any]) -> None:
        status, text = _read(await self._ask(path, json.dumps(body).encode()))
        if status != 200:
            raise Surprise(f"{path} was answered {status}: {text}")

    async def _leave(self, body: bytes, *, pieces: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(self._request(_CHAT, body))
        for _ in range(pieces):
            await reader.read(4096)
        if not pieces:
            await asyncio.sleep(self._random.uniform(0.0, 0.3))
        writer.close()

    def _refused(self, pieces: list[Piece], wanted: int) -> None:
        status, text = _read(pieces)
        if status != wanted or '"error"' not in text:
            raise Surprise(f"a bad request was answered {status} instead of {wanted}: {text}")


def _read(pieces: list[Piece]) -> tuple[int, str]:
    """Status and body of a reply that is not streamed."""
    raw = b"".join(data for _, data in pieces)
    head, _, body = raw.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return int(words[1]) if len(words) > 1 else 0, body.decode("utf-8", "replace")[:1000]
