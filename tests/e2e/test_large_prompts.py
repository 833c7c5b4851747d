"""A client that sends megabytes keeps nobody else waiting."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from e2e.served import Served

LONGEST_S = 1.0  # between two events of a stream; it was half a minute
MOST_BYTES = 300 * 2**20  # that a text of 8 MB may cost; it was 2 GB
TEXT = "The quick brown fox jumps over the lazy dog. " * 186_000
TALK = [{"role": ("user", "assistant")[i % 2], "content": f"{i} {TEXT[:400]}"} for i in range(2001)]
ASKS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "one message": ("/v1/chat/completions", 400, {"messages": [{"role": "user", "content": TEXT}]}),
    "many messages": ("/v1/chat/completions", 200, {"messages": TALK, "duihua": {"window": "drop"}, "max_tokens": 4}),
    "control tokens": ("/v1/chat/completions", 400, {"messages": [{"role": "user", "content": "<|user|>" * 130_000}]}),
    "tokenize": ("/tokenize", 200, {"prompt": TEXT[: 2**20]}),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served")) as server:
        yield server.listening()
        assert "Traceback" not in server.log


class Watch:
    """Streams answers, one after the other, and notes the longest time without an event."""

    def __init__(self, served: Served) -> None:
        self.longest_s = 0.0
        self.events = 0
        self._served = served
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.is_set():
            stream = self._served.stream()
            last = time.perf_counter()
            for _ in stream.events():
                now = time.perf_counter()
                self.longest_s, last = max(self.longest_s, now - last), now
                self.events += 1
                if self._is_over.is_set():
                    stream.leave()
                    break


@pytest.mark.parametrize(("path", "status", "fields"), ASKS.values(), ids=ASKS)
def test_a_stream_flows_while_a_large_request_comes(
    served: Served, path: str, status: int, fields: dict[str, Any]
) -> None:
    body = json.dumps(fields).encode()
    memory = psutil.Process(served.process.pid).memory_info().rss
    with Watch(served) as watch:
        while not watch.events:
            time.sleep(0.005)
        reply = served.get(path, method="POST", body=body, content_type="application/json")
        assert served.get("/health")[0] == 200
    assert reply[0] == status, reply[2][:500]
    if status == 400:
        assert json.loads(reply[2])["error"]["code"] == "context_length_exceeded"
        assert (
            b"This model's maximum context length is 2048 tokens. However, your prompt has more than 2047" in reply[2]
        )
    assert watch.longest_s < LONGEST_S
    assert psutil.Process(served.process.pid).memory_info().rss - memory < MOST_BYTES


def test_clients_that_leave_while_their_prompts_are_built_are_not_worked_for(served: Served) -> None:
    """Each of these would take more than a second, one after the other."""
    kind = {"content-type": "application/json"}
    for _ in range(40):
        left = http.client.HTTPConnection("127.0.0.1", served.port, timeout=120)
        left.request("POST", "/tokenize", json.dumps({"prompt": TEXT[: 2**20]}).encode(), kind)
        left.close()
    began = time.perf_counter()
    body = json.dumps({"prompt": TEXT[:30_000]}).encode()
    assert served.get("/tokenize", method="POST", body=body, content_type="application/json")[0] == 200
    assert time.perf_counter() - began < 20
