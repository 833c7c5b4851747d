"""`duihua serve` as a process of its own, and clients of it down to the socket."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, TypeVar

import psutil

from terminal.person import environment

__all__ = ["Reply", "Served", "Stream", "asked", "eventually", "free_port", "request_of", "until_closed"]

_T = TypeVar("_T")
Reply = tuple[int, dict[str, str], bytes]  # status, headers, body
_CHAT: Final = "/v1/chat/completions"
_TALK: Final = {"messages": [{"role": "user", "content": "Tell me a story."}], "temperature": 0}


def eventually(look: Callable[[], _T], *, within_s: float = 30.0, what: str = "it") -> _T:
    """Look again and again until what is seen is true; gives it."""
    deadline = time.monotonic() + within_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"no sign of {what} within {within_s} s; last seen: {seen!r}"
        time.sleep(0.005)
    return seen


def asked(**fields: Any) -> bytes:
    """The body of a request for a long answer, with these fields."""
    return json.dumps({**_TALK, "max_tokens": 1900, "ignore_eos": True, **fields}).encode()


def request_of(body: bytes, *headers: str, path: str = _CHAT) -> bytes:
    """A whole HTTP request."""
    own = ("Host: localhost", "Content-Type: application/json", f"Content-Length: {len(body)}")
    return "\r\n".join((f"POST {path} HTTP/1.1", *own, *headers, "", "")).encode() + body


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until_closed(wire: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    parts: list[bytes] = []
    with suppress(ConnectionError):
        while part := wire.recv(65536):
            parts.append(part)
    return b"".join(parts)


class Stream:
    """An answer that is being streamed; its first event is taken already."""

    def __init__(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        connection.request("POST", _CHAT, body, {"content-type": "application/json"})
        self._connection = connection
        self._reply = connection.getresponse()
        assert self._reply.status == 200, self._reply.read()
        next(self.events())

    def events(self) -> Iterator[str]:
        """The data of each event until the reply ends, [DONE] included."""
        while line := self._reply.readline():
            if line.startswith(b"data: "):
                yield line.removeprefix(b"data: ").decode().rstrip("\n")

    def end(self) -> tuple[str, str]:
        """The last two events; of an answer that failed, the error's code in place of the first."""
        *_, last, done = self.events()
        error = json.loads(last).get("error")
        self._connection.close()
        return (error["code"] if error else last), done

    def leave(self) -> None:
        """Go away in the middle."""
        sock = self._connection.sock
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)
        self._reply.close()
        self._connection.close()


class Served:
    """A server. It listens at a free port and writes into a file in its home.

    Args:
        home: the directory in which it lives.
        flags: of the command.
        stderr: where it writes instead.
        variables: of its environment, beside the few it gets.
    """

    def __init__(
        self,
        home: Path,
        *flags: str,
        model: str = "demo",
        engine: str = "transformers",
        stderr: IO[bytes] | int | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.log_file = home / "log"
        self.port = int(flags[flags.index("--port") + 1]) if "--port" in flags else 0
        given = ("--port", "0", "--engine", engine, "--dtype", "float32")
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "duihua", "serve", model, *given, *flags],
                env=environment(home, **(variables or {})),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log if stderr is None else stderr,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (*self.children, self.process):
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                process.kill()
        self.process.wait(30)

    def listening(self, *, within_s: float = 120.0) -> Self:
        """Wait until it says where it listens."""
        line = eventually(self._address, within_s=within_s, what="the address")
        self.port = int(line.partition("/v1")[0].rpartition(":")[2])
        return self

    def _address(self) -> str:
        assert self.process.poll() is None, f"it ended: {self.log}"
        return next((line for line in self.log.splitlines() if "serving at http" in line), "")

    @property
    def log(self) -> str:
        """What it wrote."""
        return self.log_file.read_text("utf-8")

    @property
    def children(self) -> Sequence[psutil.Process]:
        """Its processes, and theirs."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return ()

    @property
    def engine_process(self) -> psutil.Process:
        """vLLM's, in which the model is; it leads a process group of its own."""
        return next(each for each in self.children if os.getpgid(each.pid) == each.pid and len(each.children()) > 1)

    def get(self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        """Ask once, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            reply = connection.getresponse()
            return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
        finally:
            connection.close()

    def ask(self, **fields: Any) -> Reply:
        """Ask for a whole answer."""
        return self.get(_CHAT, method="POST", body=asked(**fields), content_type="application/json")

    def stream(self, **fields: Any) -> Stream:
        """Ask for a streamed answer, and wait for its first event."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        return Stream(connection, asked(stream=True, **fields))

    def socket(self) -> socket.socket:
        """A connection without any HTTP."""
        return socket.create_connection(("127.0.0.1", self.port), 120)

    def said(self, data: bytes) -> bytes:
        """What comes back on a connection of its own until the server closes it."""
        with self.socket() as wire:
            with suppress(ConnectionError):
                wire.sendall(data)
            return until_closed(wire)

    def metric(self, name: str) -> int:
        """A gauge."""
        rows = self.get("/metrics")[2].decode().splitlines()
        return int(next(row for row in rows if row.startswith(f"duihua_{name} ")).rpartition(" ")[2])

    def runs(self, count: int, *, waiting: int | None = None) -> bool:
        """Whether so many answers run, of which so many wait for their first token."""
        return self.metric("running_requests") == count and waiting in (None, self.metric("waiting_requests"))

    def answers(self) -> bool:
        """Whether it serves: a short answer comes, and is whole."""
        status, _, body = self.ask(max_tokens=2)
        return status == 200 and json.loads(body)["usage"]["completion_tokens"] == 2

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def exit_code(self, *, within_s: float = 60.0) -> int:
        """Wait for its end."""
        return self.process.wait(within_s)
