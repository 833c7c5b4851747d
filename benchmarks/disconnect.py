"""How soon a place is free again when a client closes its connection while its answer is made.

The server has one place. A second client waits for it, so what is measured ends with that one's first text: the server
has seen that the first client is gone, the engine has given the place away and computed a token, and that token came.
Beside it: until the server's own count of running requests is down, for streamed answers and for whole ones.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bars import report
from figures import at
from gauges import Gauges
from geometries import make_checkpoint
from load import request_bytes
from model_flags import add_model_flags, engine_settings
from paper import also_written, machine
from servers import Server, duihua_command, ending_on_sigterm

_LONG: Final = 4096  # tokens: no answer ends by itself
_SHORT: Final = 4
_PATIENCE_S: Final = 60.0


class Client:
    """One request over a socket of its own."""

    def __init__(self, port: int, tokens: int, *, streamed: bool = True) -> None:
        message = json.dumps({"role": "user", "content": f"question {random.random()}"}).encode()
        self._socket = socket.create_connection(("127.0.0.1", port), _PATIENCE_S)
        self._socket.sendall(request_bytes([message], tokens=tokens, streamed=streamed))
        self._came = b""

    def read_texts(self, count: int) -> float:
        """Until so many events with text have come; gives the time right after the last one."""
        while self._texts() < count:
            self._more()
        return time.perf_counter()

    def read_all(self) -> None:
        """To the end of the answer."""
        while b"[DONE]" not in self._came:
            self._more()
        self._socket.close()

    def leave(self, *, rudely: bool) -> float:
        """Close the connection; gives the time right before it.

        Args:
            rudely: with a reset, as the system does for a client that dies with bytes unread.
        """
        if rudely:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        now = time.perf_counter()
        self._socket.close()
        return now

    def _texts(self) -> int:
        return self._came.count(b'"content":"') - self._came.count(b'"content":""')

    def _more(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise SystemExit(f"the server ended an answer by itself: {self._came[-500:]!r}")
        self._came += data


class Trials:
    """What is tried again and again; each gives milliseconds."""

    def __init__(self, port: int, gauges: Gauges) -> None:
        self._port, self._gauges, self._number = port, gauges, 0

    def until_given_away(self) -> float:
        """From the close until the client that waits has its first text."""
        first = Client(self._port, _LONG)
        first.read_texts(3)
        second = Client(self._port, _SHORT)
        self._gauges.wait_for({"running_requests": 2, "waiting_requests": 1}, _PATIENCE_S)
        first.read_texts(random.randint(4, 40))
        closed = self._leave(first)
        given = second.read_texts(1)
        second.read_all()
        self._rest()
        return (given - closed) * 1e3

    def first_text(self) -> float:
        """For comparison: the first text of a request while nothing else runs."""
        start = time.perf_counter()
        client = Client(self._port, _SHORT)
        came = client.read_texts(1)
        client.read_all()
        self._rest()
        return (came - start) * 1e3

    def until_counted_streamed(self) -> float:
        """From the close of a streamed answer until none is counted."""
        client = Client(self._port, _LONG)
        client.read_texts(random.randint(4, 40))
        return self._until_none(client)

    def until_counted_whole(self) -> float:
        """The same for an answer that is not streamed."""
        client = Client(self._port, _LONG, streamed=False)
        self._gauges.wait_for({"running_requests": 1, "waiting_requests": 0}, _PATIENCE_S)
        time.sleep(random.uniform(0.0, 0.05))  # any moment will do
        return self._until_none(client)

    def _until_none(self, client: Client) -> float:
        closed = self._leave(client)
        return (self._gauges.wait_for({"running_requests": 0}, _PATIENCE_S) - closed) * 1e3

    def _leave(self, client: Client) -> float:
        self._number += 1
        return client.leave(rudely=self._number % 2 == 0)

    def _rest(self) -> None:
        self._gauges.wait_for({"running_requests": 0}, _PATIENCE_S)


def show(name: str, values: Sequence[float]) -> None:
    """Print a row of the table."""
    print(f"{name:42} {len(values):4} {statistics.median(values):8.1f} {at(0.99, values):8.1f} {max(values):8.1f}")


def run(server: Server, arguments: argparse.Namespace) -> float:
    """Try everything in turn; gives the bar's value."""
    server.wait(arguments.patience)
    with Gauges(server.port) as gauges:
        trials = Trials(server.port, gauges)
        tried: dict[str, Callable[[], float]] = {
            "until the place is another client's": trials.until_given_away,
            "  (a first text on the idle server)": trials.first_text,
            "until not counted as running, streamed": trials.until_counted_streamed,
            "until not counted as running, whole": trials.until_counted_whole,
        }
        values: dict[str, list[float]] = {name: [] for name in tried}
        for round_ in range(arguments.rounds + arguments.warm_up):
            for name, trial in tried.items():
                took = trial()
                if round_ >= arguments.warm_up:
                    values[name].append(took)
    print(f"{'ms from the close':42} {'n':>4} {'p50':>8} {'p99':>8} {'most':>8}")
    for name, own in values.items():
        show(name, own)
    return at(0.99, values["until the place is another client's"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--warm-up", type=int, default=5, help="rounds before those")
    parser.add_argument("--engine", default="vllm", choices=("vllm", "transformers"))
    parser.add_argument("--our-flag", action="append", default=[], metavar="WORD", help="further, for `duihua serve`")
    parser.add_argument("--patience", type=float, default=600, help="seconds for the server to start")
    add_model_flags(parser, geometry="2.9M", context_window=8192)
    arguments = parser.parse_args()
    ending_on_sigterm()
    with also_written(arguments.out), tempfile.TemporaryDirectory() as directory:
        path = make_checkpoint(Path(directory) / "model", arguments.geometry)
        logs = arguments.logs or Path(directory)
        logs.mkdir(parents=True, exist_ok=True)
        capacity = 4 * arguments.context_window
        engine = engine_settings(arguments, kv_capacity=capacity, max_sequences=1, log=logs / "unused.log")
        command = duihua_command(str(path), engine, arguments.our_flag, name=arguments.engine)
        print(f"{arguments.geometry}, random weights, one place, on {arguments.engine}")
        print(machine())
        server = Server("duihua", command, logs)
        try:
            value = run(server, arguments)
        finally:
            server.close()
        print()
        report("disconnect", {"serve.disconnect_ms": value})


if __name__ == "__main__":
    main()
