"""`duihua serve` under clients that break HTTP."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Final, cast

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from e2e.served import Served, asked, eventually, request_of, until_closed

SHORT: Final = asked(max_tokens=1)
GOOD: Final = (
    request_of(SHORT),
    request_of(asked(max_tokens=2, stream=True)),
    request_of(b'{"prompt":"hello"}', path="/tokenize"),
    b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /health HTTP/1.0\r\n\r\n",
    b"OPTIONS /v1/models HTTP/1.1\r\nHost: localhost\r\nOrigin: http://a\r\nAccess-Control-Request-Method: GET\r\n\r\n",
    b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'11\r\n{"prompt": "abc"}\r\n0\r\n\r\n',
)
SCRAPS: Final = (
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"ffffffffffffffff\r\n",
    b"HTTP/9.9",
)
HEALTH: Final = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
PATIENCE_S: Final = 2.0  # how long the server keeps a connection that stands still


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    flags = ("--keep-alive-seconds", str(PATIENCE_S), "--deadline-seconds", "3")
    with Served(tmp_path_factory.mktemp("served"), *flags) as server:
        yield server.listening()
        assert "Traceback" not in server.log
        errors = [line for line in server.log.splitlines() if " ERROR " in line]
        assert all("error=deadline_exceeded" in line for line in errors)
        assert "Tell me a story." not in server.log


def first_status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1]) if reply.startswith(b"HTTP/1.1 ") else 0


def test_a_deadline_ends_answers_streamed_and_whole(served: Served) -> None:
    stream = served.stream()
    status, _, body = served.ask()
    assert (status, json.loads(body)["error"]["code"]) == (504, "deadline_exceeded")
    assert stream.end() == ("deadline_exceeded", "[DONE]")
    assert served.runs(0)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS
        (b"hello\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (HEALTH + b"no colon\r\n\r\n", 400),
        (HEALTH + b"x: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (HEALTH + b"x: a\r\n" * 15_000 + b"\r\n", 431),
        (HEALTH + b"x: " + b"a" * 2_000_000, 431),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (request_of(SHORT, "Transfer-Encoding: chunked"), 400),
        (request_of(SHORT, "Content-Length: 3"), 400),
        (GOOD[-1].replace(b"11\r\n", b"zz\r\n"), 400),
        (GOOD[-1].replace(b"11\r\n", b"5\r\n"), 400),
        (b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
        (request_of(b'{"messages": [', "Connection: close"), 400),
        (request_of(b"\xff\xfe\xfd", "Connection: close"), 400),
        (request_of(b"[" * 200_000, "Connection: close"), 400),
    ],
)
def test_what_is_no_request_is_answered_with_an_error_and_closed(served: Served, data: bytes, status: int) -> None:
    reply = served.said(data)
    assert first_status(reply) == status
    assert set(json.loads(reply.partition(b"\r\n\r\n")[2])["error"]) == {"message", "type", "param", "code"}
    assert served.get("/health")[0] == 200


def test_bodies_that_are_shorter_than_they_say_are_given_up(served: Served) -> None:
    since = time.monotonic()
    assert served.said(request_of(SHORT)[:-20]) == b""
    assert time.monotonic() - since > PATIENCE_S / 2
    with served.socket() as wire:
        wire.sendall(request_of(SHORT)[:-20])
    assert served.answers()


def test_what_is_sent_too_slowly_is_given_up_and_what_is_slow_for_a_reason_is_not(served: Served) -> None:
    with served.socket() as slow, served.socket() as patient:
        for piece in (b"GET /health", b" HTTP/1.1\r\n", b"Host: ", b"localhost\r\n"):
            slow.sendall(piece)
        patient.sendall(request_of(asked()))
        assert until_closed(slow) == b""  # a head in pieces, without its end
        patient.settimeout(60)
        assert patient.recv(4).startswith(b"HTTP")  # it was silent for longer, but because we were


@pytest.mark.parametrize("after", [b"", b"\r\n"])
def test_a_connection_that_asks_nothing_more_is_closed(served: Served, after: bytes) -> None:
    assert first_status(served.said(HEALTH + b"\r\n" + after)) == 200


def test_five_hundred_idle_connections_stand_in_nobodys_way_and_are_closed(served: Served) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(served.socket()) for _ in range(500)]
        assert served.answers()
        assert all(until_closed(wire) == b"" for wire in idle)
    assert served.answers()


def test_requests_in_a_row_are_answered_in_their_order(served: Served) -> None:
    bodies = [asked(max_tokens=tokens) for tokens in (3, 1, 2)]
    reply = served.said(b"".join(map(request_of, bodies[:2])) + request_of(bodies[2], "Connection: close"))
    counts = [part.partition(b",")[0] for part in reply.split(b'"completion_tokens":')[1:]]
    assert counts == [b"3", b"1", b"2"]


def test_more_requests_in_a_row_than_can_be_kept_end_the_connection(served: Served) -> None:
    assert served.said(request_of(asked()) + (HEALTH + b"\r\n") * 20_000) == b""
    eventually(lambda: served.runs(0))


def test_rubbish_behind_a_request_is_not_answered_in_the_middle_of_its_answer(served: Served) -> None:
    with served.socket() as wire:
        wire.sendall(request_of(asked(stream=True)))
        head = wire.recv(12)
        wire.sendall(b"\0\1\2 rubbish\r\n\r\n")
        assert (head + until_closed(wire)).count(b"HTTP/1.1") == 1
    eventually(lambda: served.runs(0))


def test_who_wishes_for_another_protocol_is_answered_in_this_one(served: Served) -> None:
    """So does Java's HTTP client with the first request of each connection."""
    wish = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    whole, last = request_of(SHORT, *wish), request_of(SHORT, "Connection: close")
    head = request_of(SHORT, *wish, "Expect: 100-continue").removesuffix(SHORT)
    with served.socket() as wire:
        wire.sendall(head)
        assert wire.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.sendall(SHORT + last)
        reply = until_closed(wire)
    reply += served.said(whole + last)
    assert reply.count(b"HTTP/1.1 200 OK") == 4
    assert reply.count(b'"chat.completion"') == 4


def test_what_is_refused_is_read_all_the_same_so_that_the_refusal_arrives(served: Served) -> None:
    assert served.get("/health", x="a" * 5_000_000)[0] == 431
    body = b'{"messages": "' + b"x" * (9 << 20) + b'"}'
    for _ in range(2):
        status, _, reply = served.get("/v1/chat/completions", method="POST", body=body, content_type="application/json")
        assert (status, json.loads(reply)["error"]["code"]) == (413, "body_too_large")


def broken(rng: random.Random) -> bytes:
    """Good requests, cut, doubled, and with bytes of every kind in them."""
    data = bytearray(rng.choice(GOOD) * rng.choice((1, 1, 1, 2, 5)))
    for _ in range(rng.choice((0, 1, 1, 2, 5, 20))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0:
                data[at : at + 1] = rng.randbytes(1)
            case 1:
                data[at:at] = rng.randbytes(rng.choice((1, 3, 50, 3000)))
            case 2:
                del data[at : at + rng.choice((1, 2, 10, 100))]
            case 3:
                del data[at:]
            case 4:
                data[at:at] = rng.choice(SCRAPS)
            case _:
                data[at:at] = data[: rng.randrange(200)]
    return bytes(data)


def attack(served: Served, rng: random.Random) -> None:
    """Send something broken in two pieces, then end the connection in one of three ways."""
    data = broken(rng)
    cut, way = rng.randrange(len(data) + 1), rng.randrange(3)
    with served.socket() as wire, suppress(OSError):
        wire.sendall(data[:cut])
        wire.sendall(data[cut:])
        if way == 0:
            wire.shutdown(socket.SHUT_WR)
            until_closed(wire)
        elif way == 1:
            wire.settimeout(0.02)
            wire.recv(1000)
        else:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset


@pytest.mark.parametrize("seed", [1, pytest.param(range(2, 12), marks=pytest.mark.slow)])
def test_nothing_that_a_client_sends_harms_the_server(served: Served, seed: int | range) -> None:
    for each in [seed] if isinstance(seed, int) else seed:
        rng = random.Random(each)
        for _ in range(500):
            attack(served, rng)
    assert served.answers()
    eventually(lambda: served.runs(0))
    eventually(lambda: served.metric("tasks") <= 3, what="the tasks' end")


CHECKS: Final[Sequence[Any]] = (
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
)


@pytest.mark.parametrize("examples", [20, pytest.param(400, marks=pytest.mark.slow)])
def test_the_description_of_the_routes_says_what_they_do(served: Served, examples: int) -> None:
    schema = cast("Any", schemathesis).openapi.from_url(f"http://127.0.0.1:{served.port}/openapi.json")
    seen: set[str] = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in schemathesis.GenerationMode:
            with suppress(Unsatisfiable):  # a route without parameters cannot be asked wrongly
                seen |= asked_at_random(operation, mode, examples)
    assert {"200", "400", "404"} <= seen


def asked_at_random(operation: Any, mode: schemathesis.GenerationMode, examples: int) -> set[str]:
    """Ask a route what its description allows, or forbids; the statuses that came."""
    seen: set[str] = set()

    @hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        reply = case.call(timeout=60)
        seen.add(str(reply.status_code))
        case.validate_response(reply, checks=CHECKS)

    ask()
    return seen
