"""The life of `duihua serve`: clients that leave, signals, and an engine that dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from e2e.served import Served, asked, eventually, request_of, until_closed
from terminal.person import Person, environment

LEFT_S = 0.05  # a client that left has freed its slot by then
LONG = "so it goes " * 300  # a prompt of most of the window


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    flags = ("--max-sequences", "17", "--keep-alive-seconds", "2")
    with Served(tmp_path_factory.mktemp("served"), *flags) as server:
        yield server.listening()
        assert "Traceback" not in server.log


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    servers: list[Served] = []

    def started(*flags: str, **more: Any) -> Served:
        servers.append(Served(tmp_path / str(len(servers)), *flags, **more))
        return servers[-1].listening()

    yield started
    for server in servers:
        server.__exit__(None, None, None)


def seconds_until_free(served: Served) -> float:
    """How long it takes until nothing runs; a look at the metrics included."""
    since = time.perf_counter()
    while not served.runs(0):
        assert time.perf_counter() < since + 30
    return time.perf_counter() - since


def left_streams(served: Served, times: int) -> Iterator[float]:
    for _ in range(times):
        stream = served.stream()
        assert served.runs(1)
        stream.leave()
        yield seconds_until_free(served)


def left_whole(served: Served, times: int) -> Iterator[float]:
    for _ in range(times):
        with served.socket() as wire:
            wire.sendall(request_of(asked()))
            eventually(lambda: served.runs(1, waiting=0))
        yield seconds_until_free(served)


@pytest.mark.parametrize("left", [left_streams, left_whole])
def test_a_client_that_leaves_frees_its_slot(served: Served, left: Callable[[Served, int], Iterator[float]]) -> None:
    assert statistics.median(left(served, 7)) < LEFT_S
    assert served.answers()


def test_a_client_that_leaves_the_queue_or_its_prompt_frees_its_place(served: Served) -> None:
    full = [served.stream(n=16), served.stream()]
    with served.socket() as wire:
        wire.sendall(request_of(asked(stream=True)))
        eventually(lambda: served.runs(3, waiting=1))
    eventually(lambda: served.runs(2, waiting=0), within_s=5)
    for stream in full:
        stream.leave()
    eventually(lambda: served.runs(0), within_s=5)
    with served.socket() as wire:
        wire.sendall(request_of(asked(messages=[{"role": "user", "content": LONG}])))
        eventually(lambda: served.runs(1))
    eventually(lambda: served.runs(0), within_s=5)
    assert served.answers()


def test_who_ends_his_side_of_the_connection_has_left(served: Served) -> None:
    with served.socket() as wire:
        wire.sendall(request_of(asked()))
        eventually(lambda: served.runs(1))
        wire.shutdown(socket.SHUT_WR)
        assert until_closed(wire) == b""
    assert served.runs(0)


@pytest.mark.parametrize("is_streamed", [True, False])
def test_leaving_is_seen_behind_further_requests_of_the_same_connection(served: Served, is_streamed: bool) -> None:
    with served.socket() as wire:
        wire.sendall(request_of(asked(stream=is_streamed)))
        eventually(lambda: served.runs(1, waiting=0))
        wire.sendall(request_of(asked()) * 2)
    eventually(lambda: served.runs(0), within_s=5)
    assert served.answers()


def test_a_client_that_does_not_read_costs_little_and_is_left_in_the_end(served: Served) -> None:
    before = psutil.Process(served.process.pid).memory_info().rss
    with socket.socket() as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.connect(("127.0.0.1", served.port))
        wire.sendall(request_of(asked(stream=True, n=16, logprobs=True, top_logprobs=20)))
        eventually(lambda: served.runs(1))
        assert served.answers()
        eventually(lambda: served.runs(0), within_s=100)
    assert psutil.Process(served.process.pid).memory_info().rss - before < 200 << 20
    assert served.answers()


def test_after_sigterm_what_runs_ends_well_and_nothing_else_begins(start: Callable[..., Served]) -> None:
    served = start("--drain-seconds", "100", "--log-format", "json", "--log-prompts")
    stream = served.stream(max_tokens=120)
    idle, silent, cut = served.socket(), served.socket(), served.socket()
    with idle, silent, cut:
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        cut.sendall(request_of(asked())[:-20])
        served.tell(signal.SIGTERM)
        eventually(lambda: served.get("/ready")[0] == 503)
        status, headers, body = served.ask()
        assert (status, json.loads(body)["error"]["code"]) == (503, "server_ending")
        assert int(headers["retry-after"]) > 0
        assert (served.get("/health")[0], served.metric("ready")) == (200, 0)
        last, done = stream.end()
        assert json.loads(last)["choices"][0]["finish_reason"] == "length"
        assert done == "[DONE]"
        assert served.exit_code() == 0
    rows = [json.loads(line) for line in served.log.splitlines() if line.startswith("{")]
    assert all(row["level"] == ("error" if row.get("status") == 503 else "info") for row in rows)
    assert any("Tell me a story." in str(row.get("messages")) for row in rows)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_what_outlasts_the_patience_ends_with_an_error(start: Callable[..., Served], number: signal.Signals) -> None:
    served = start("--drain-seconds", "0.5")
    streams = [served.stream(), served.stream(n=2)]
    with served.socket() as wire:
        wire.sendall(request_of(asked()))
        eventually(lambda: served.runs(3))
        served.tell(number)
        assert [stream.end() for stream in streams] == [("server_ending", "[DONE]")] * 2
        assert b"503 Service Unavailable" in (whole := until_closed(wire))
        assert b'"code":"server_ending"' in whole
    assert served.exit_code() == 0
    assert "Traceback" not in served.log


def test_a_second_signal_ends_at_once_even_beside_a_client_that_does_not_read(start: Callable[..., Served]) -> None:
    served = start("--drain-seconds", "1000")
    stream = served.stream()
    with socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect(("127.0.0.1", served.port))
        stalled.sendall(request_of(asked(stream=True, n=8, logprobs=True, top_logprobs=20)))
        eventually(lambda: served.runs(2))
        served.tell(signal.SIGHUP)
        eventually(lambda: "a second signal" in served.log)
        served.tell(signal.SIGTERM)
        assert stream.end() == ("server_ending", "[DONE]")
        assert served.exit_code() == 0
    assert "Traceback" not in served.log


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_a_signal_while_the_model_loads_ends_at_once(tmp_path: Path, number: signal.Signals) -> None:
    with Person(["-m", "duihua", "serve", "demo", "--port", "0"], environment(tmp_path)) as person:
        person.sees("loading demo")
        os.kill(person.child.pid, number)
        assert person.exit_code() == 128 + number
        assert "Traceback" not in person.raw


@pytest.mark.slow
def test_an_engine_that_is_busy_for_long_is_ready(start: Callable[..., Served]) -> None:
    served = start("--max-sequences", "1")
    stream = served.stream(n=16)  # which come one after another
    since = time.monotonic()
    for _ in stream.events():
        if time.monotonic() - since > 11:  # a first token proves nothing after ten
            break
    assert served.get("/ready")[0] == 200
    stream.leave()


VLLM = ("--eager", "--drain-seconds", "1")


def test_vllm_dies_is_started_again_and_leaves_nothing_behind(start: Callable[..., Served]) -> None:
    """One server through everything that may happen to its engine."""
    served = start(*VLLM, engine="vllm")
    assert served.answers()
    assert statistics.median([*left_streams(served, 4), *left_whole(served, 4)]) < LEFT_S

    streams = [served.stream() for _ in range(4)]
    since = time.monotonic()
    served.engine_process.kill()
    assert [stream.end() for stream in streams] == [("engine_dead", "[DONE]")] * 4
    assert time.monotonic() - since < 5
    assert served.get("/ready")[0] == 503
    assert (served.get("/health")[0], served.metric("ready")) == (200, 0)
    eventually(lambda: served.metric("ready") == 1, within_s=200, what="another engine")  # that nobody asked for
    assert served.get("/ready")[0] == 200
    assert served.answers()

    stream, processes = served.stream(), served.children
    assert len(processes) >= 3
    served.tell(signal.SIGTERM)
    assert stream.end() == ("server_ending", "[DONE]")
    assert served.exit_code() == 0
    assert not psutil.wait_procs(processes, 15)[1]
    assert "Traceback" not in served.log


@pytest.mark.slow
def test_an_engine_that_may_not_be_started_again_is_given_up(start: Callable[..., Served]) -> None:
    served = start(*VLLM, "--restart-engine", "0", engine="vllm")
    engine, stream = served.engine_process, served.stream()  # in this order: the answer is there in two seconds
    engine.kill()
    assert stream.end() == ("engine_dead", "[DONE]")
    for _ in range(3):
        assert served.get("/ready")[0] == 503
        assert json.loads(served.ask()[2])["error"]["code"] == "engine_dead"
        assert "restart this server" in json.loads(served.get("/health")[2])["error"]["message"]
    assert served.get("/health")[0] == 503
    assert served.log.count("the engine is not started again") == 1
    served.tell(signal.SIGTERM)
    assert served.exit_code() == 0


@pytest.mark.slow
def test_sigterm_does_not_wait_for_an_engine_that_is_being_started_again(start: Callable[..., Served]) -> None:
    served = start(*VLLM, engine="vllm")
    first, stream = served.engine_process, served.stream()
    first.kill()
    assert stream.end() == ("engine_dead", "[DONE]")
    psutil.wait_procs([first], 15)
    processes = eventually(lambda: [each for each in served.children if len(served.children) >= 3], within_s=60)
    served.tell(signal.SIGTERM)
    assert served.exit_code(within_s=20) == 0
    assert not psutil.wait_procs(processes, 15)[1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_vllm_starts_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with Served(tmp_path, *VLLM, engine="vllm") as served:
        processes = eventually(lambda: served.children, within_s=120)
        served.tell(number)
        assert served.exit_code() == 128 + number
        assert not psutil.wait_procs(processes, 15)[1]
        assert "Traceback" not in served.log
