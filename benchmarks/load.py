"""The load that is put on a server: streams of chat requests, from processes of their own.

While the clock runs, a process only writes requests that are ready and keeps the bytes that come with their times; what
they mean is found out afterwards. Each request has a connection of its own.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import itertools
import json
import multiprocessing
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final

from answers import Answer, Piece, read_answer
from geometries import make_text
from seeing import Size, picture_part

__all__ = ["MODEL_NAME", "Generator", "Load", "exchange_alone", "question", "request_bytes"]

MODEL_NAME: Final = "bench"  # what every server calls its model
_QUESTION_WORDS: Final = (8, 12, 16, 20)  # two to three tokens each
_LEAD_S: Final = 0.05  # from the word to go until all processes begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """So many streams at once, each asking its questions one after the other."""

    label: str  # questions differ by it, so that no prefix is kept from before
    streams: int
    questions: int
    tokens: int  # of an answer
    streamed: bool = True
    history: int = 0  # messages before the first question; then each question is asked after all that was said before
    history_words: int = 0  # of each of those
    picture: Size | None = None  # each question shows one of this size, seen never before
    form: str = ""  # `"response_format":{...},` of each request; its answers may end by themselves


def request_bytes(messages: Sequence[bytes], *, tokens: int, streamed: bool, more: str = "") -> bytes:
    """A chat completion, decoded greedily to the last token, as it goes over the wire.

    Args:
        messages: each one as JSON.
        tokens: how many the answer shall have.
        streamed: whether it comes as it is made; with its usage at the end.
        more: further members of the body, `"seed":7,`.
    """
    stream = '"stream":true,"stream_options":{"include_usage":true},' if streamed else ""
    endless = "" if '"response_format"' in more else '"ignore_eos":true,'
    start = f'{{"model":"{MODEL_NAME}","temperature":0,"max_tokens":{tokens},{endless}{more}{stream}'
    body = start.encode() + b'"messages":[' + b",".join(messages) + b"]}"
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def question(text: str, seed: str, picture: Size | None) -> bytes:
    """A user's message as JSON, with a picture before the text where it has a size."""
    if picture is None:
        return _message("user", text)
    parts = [picture_part(seed, picture), {"type": "text", "text": text}]
    return json.dumps({"role": "user", "content": parts}).encode()


def _message(role: str, text: str) -> bytes:
    return json.dumps({"role": role, "content": text}).encode()


class Talk:
    """What one stream asks."""

    def __init__(self, load: Load, stream: int) -> None:
        self._load, self._stream = load, stream
        roles = itertools.cycle(("user", "assistant"))
        texts = (make_text(f"{load.label} {stream} before {i}", load.history_words) for i in range(load.history))
        self._said = [_message(role, text) for role, text in zip(roles, texts, strict=False)]
        self._asked = 0
        self._ready = [] if load.history else [self._request([self._question(i)]) for i in range(load.questions)]

    def next(self) -> bytes:
        """The next request."""
        number, self._asked = self._asked, self._asked + 1
        if self._ready:
            return self._ready[number]
        self._said.append(self._question(number))
        return self._request(self._said)

    def heard(self, text: str) -> None:
        """The answer, where the next question comes after it."""
        self._said.append(_message("assistant", text))

    def _question(self, number: int) -> bytes:
        words = _QUESTION_WORDS[(self._stream + number) % len(_QUESTION_WORDS)]
        seed = f"{self._load.label} {self._stream} {number}"
        return question(make_text(seed, words), seed, self._load.picture)

    def _request(self, messages: Sequence[bytes]) -> bytes:
        load = self._load
        return request_bytes(messages, tokens=load.tokens, streamed=load.streamed, more=load.form)


@dataclass(slots=True)
class Exchange(asyncio.Protocol):
    """One request and what comes back, to the end of the connection."""

    request: bytes
    ended: asyncio.Future[None]
    pieces: list[Piece] = field(default_factory=list[Piece])

    def connection_made(self, transport: Any) -> None:  # uvloop's is of no class that asyncio has
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.pieces.append((time.perf_counter(), data))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # what is missing is seen in the bytes
        if not self.ended.done():
            self.ended.set_result(None)


async def exchange(port: int, request: bytes) -> tuple[float, list[Piece]]:
    """Ask, and give the time before the connection was opened and all that came."""
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    _, running = await loop.create_connection(lambda: Exchange(request, loop.create_future()), "127.0.0.1", port)
    await running.ended
    return started, running.pieces


def exchange_alone(port: int, request: bytes) -> tuple[float, list[Piece]]:
    """`exchange` where nothing else runs."""
    return asyncio.run(exchange(port, request))


class Asker:
    """A share of a load's streams."""

    def __init__(self, load: Load, port: int, streams: Sequence[int]) -> None:
        self._load, self._port = load, port
        self._talks = [Talk(load, stream) for stream in streams]

    async def prepare(self) -> None:
        """Bring the histories into the server's cache: the first question of each stream is not measured."""
        if self._load.history:
            await asyncio.gather(*(self._follow(talk, 1) for talk in self._talks))

    async def ask(self) -> list[tuple[float, list[Piece]]]:
        """Ask all that is left."""
        left = self._load.questions - (1 if self._load.history else 0)
        streams = await asyncio.gather(*(self._follow(talk, left) for talk in self._talks))
        return list(itertools.chain.from_iterable(streams))

    async def _follow(self, talk: Talk, questions: int) -> list[tuple[float, list[Piece]]]:
        came: list[tuple[float, list[Piece]]] = []
        for _ in range(questions):
            came.append(await exchange(self._port, talk.next()))
            if self._load.history:
                talk.heard(read_answer(*came[-1]).text)
        return came


def work(pipe: Connection) -> None:
    """A process of the generator: takes (load, port, streams), until None."""
    with suppress(EOFError, KeyboardInterrupt):  # the program has ended
        while (job := pipe.recv()) is not None:
            try:
                _run(pipe, _measure(pipe, Asker(*job)))
            except Exception:  # noqa: BLE001  the program says it, whatever it is
                pipe.send(traceback.format_exc())


def _run(pipe: Connection, measuring: Any) -> None:
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if find_spec("uvloop"):  # takes less of the processors that it shares with the server
        factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        came: list[tuple[float, list[Piece]]] = runner.run(measuring)
    pipe.send([read_answer(*each) for each in came])


async def _measure(pipe: Connection, asker: Asker) -> list[tuple[float, list[Piece]]]:
    await asker.prepare()
    pipe.send("ready")
    begin: float = await asyncio.to_thread(pipe.recv)
    await asyncio.sleep(begin - time.perf_counter())
    gc.disable()  # all that comes is kept; looking through it again and again takes longer than keeping it
    came = await asker.ask()
    gc.enable()
    pipe.send("ended")
    return came


class Generator:
    """The processes that put load on servers."""

    def __init__(self, processes: int, patience_s: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._patience_s = patience_s
        self._pipes: list[Connection] = []
        self._processes: list[BaseProcess] = []
        for _ in range(processes):
            ours, theirs = context.Pipe()
            self._processes.append(context.Process(target=work, args=(theirs,), daemon=True))
            self._processes[-1].start()
            theirs.close()
            self._pipes.append(ours)

    def put(self, load: Load, port: int, at_ends: Callable[[], None]) -> list[Answer]:
        """Put a load on the server at a port.

        Args:
            load: what is asked.
            port: of the server, on this machine.
            at_ends: called right before the clock starts and right after the last answer.

        Raises:
            SystemExit: it could not be done; with the reason.
        """
        for i, pipe in enumerate(self._pipes):
            pipe.send((load, port, range(i, load.streams, len(self._pipes))))
        self._all_say("ready")
        at_ends()
        begin = time.perf_counter() + _LEAD_S
        for pipe in self._pipes:
            pipe.send(begin)
        self._all_say("ended")
        at_ends()
        return list(itertools.chain.from_iterable(self._reply(pipe) for pipe in self._pipes))

    def close(self) -> None:
        """End the processes."""
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            pipe.close()
            process.kill()
            process.join()

    def _all_say(self, word: str) -> None:
        for pipe in self._pipes:
            if (said := self._reply(pipe)) != word:
                raise SystemExit(f"the load generator failed: {said}")

    def _reply(self, pipe: Connection) -> Any:
        try:
            reply = pipe.recv() if pipe.poll(self._patience_s) else "no answer in time"
        except EOFError:
            reply = "its process has ended"
        if isinstance(reply, str) and reply not in ("ready", "ended"):
            raise SystemExit(f"the load generator failed: {reply}")
        return reply
