"""What a server counts, as Prometheus's own parser reads it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chat.talk import Turnstile, chat, engine, ids
from duihua.engine.scripted import ScriptedEngine
from duihua.errors import GenerationFailed
from duihua.events import TextDelta
from duihua.server.metrics import Histogram, Tally
from server.asgi import CHAT, HELLO, Server, serving

Counts = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def counts_of(server: Server) -> Counts:
    """Every sample, by its name and labels."""
    reply = await server.fetch("GET", "/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(reply.body.decode()))
    assert all(family.documentation and family.type in ("counter", "gauge", "histogram") for family in families)
    samples = [sample for family in families for sample in family.samples]
    found = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


def count(counts: Counts, name: str, **labels: str) -> float:
    return counts.get((f"duihua_{name}", tuple(sorted(labels.items()))), 0)


def after(server: Server, *requests: dict[str, Any]) -> Counts:
    async def whole() -> Counts:
        for request in requests:
            await server.chat(**request)
        found = await counts_of(server)
        await server.service.aclose()
        return found

    return asyncio.run(whole())


def test_a_server_that_nobody_asked_has_metrics() -> None:
    found = after(serving())
    assert count(found, "running_requests") == count(found, "waiting_requests") == 0
    assert count(found, "ready") == 1


def test_requests_are_counted_by_path_and_status() -> None:
    async def whole() -> Counts:
        server = serving()
        await server.chat()
        await server.chat(strange=1)
        for path in ("/strange", "/stranger", "/v1/models/strange", '/v1/models/"\n\\', "/v1/models"):
            await server.fetch("GET", path)
        await server.fetch("GET", CHAT)
        return await counts_of(server)

    found = asyncio.run(whole())
    rows = {labels: value for (name, labels), value in found.items() if name == "duihua_requests_total"}
    assert rows == {
        (("path", CHAT), ("status", "200")): 1,
        (("path", CHAT), ("status", "400")): 1,
        (("path", CHAT), ("status", "405")): 1,
        (("path", "other"), ("status", "404")): 2,
        (("path", "/v1/models/{model}"), ("status", "404")): 2,
        (("path", "/v1/models"), ("status", "200")): 1,
    }


def test_how_long_requests_took_is_told_by_path_and_status() -> None:
    found = after(serving(), {}, {}, {"strange": 1})
    assert count(found, "whole_request_seconds_count", path=CHAT, status="200") == 2
    assert count(found, "whole_request_seconds_count", path=CHAT, status="400") == 1
    assert count(found, "whole_request_seconds_bucket", path=CHAT, status="200", le="+Inf") == 2
    assert count(found, "whole_request_seconds_sum", path=CHAT, status="200") > 0


@pytest.mark.parametrize("streamed", [False, True])
def test_tokens_are_counted(streamed: bool) -> None:
    over = engine("hello", "hello")
    found = after(Server(chat(over)), {"stream": streamed}, {"stream": streamed})
    prompt = len(over.requests[0].token_ids)
    assert count(found, "tokens_total", kind="prompt") == 2 * prompt
    assert count(found, "tokens_total", kind="cached") == prompt - 1
    assert count(found, "tokens_total", kind="completion") == 2 * (len(ids("hello")) + 1)
    assert count(found, "first_token_seconds_count") == 2


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        ({"max_tokens": 1}, 0),
        ({"max_tokens": 8}, 7),
        ({"max_tokens": 4, "n": 2}, 2 * 3),
        ({"max_tokens": 4, "n": 1, "best_of": 3}, 0),  # they come at once, at the end
        ({"max_tokens": 4, "stop": ["never said"]}, 3),
    ],
)
def test_a_step_is_from_one_token_to_the_next_of_the_same_choice(
    fields: dict[str, Any], steps: int, streamed: bool
) -> None:
    over = ScriptedEngine(lambda _: ids("a b c d e f g h i j"))
    assert count(after(Server(chat(over)), {**fields, "stream": streamed}), "between_tokens_seconds_count") == steps


def test_tokens_that_came_at_once_are_one_step() -> None:
    server = serving()
    tally = Tally(server.service.metrics)
    for now, size in ((1.0, 1), (1.5, 3), (1.5, 2), (2.5, 1)):
        tally.came([TextDelta(text="a", token_ids=(5,) * size)], now)
    tally.came([TextDelta(text="held back")], 9.0)
    assert tally.tokens == 7
    assert server.service.metrics.between_tokens.total == pytest.approx(1.5)
    assert count(asyncio.run(counts_of(server)), "between_tokens_seconds_count") == 2


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("ended_by", ["its client", "the deadline", "the server's end"])
def test_tokens_of_an_answer_that_is_cut_are_counted(streamed: bool, ended_by: str) -> None:
    async def whole() -> Counts:
        gate = Turnstile(3)
        seconds = 1 if ended_by == "the deadline" else 600
        server = Server(chat(engine("a b c d e f g h i j", gate=gate)), deadline_seconds=seconds)
        async with server.call("POST", CHAT, {"messages": HELLO, "stream": streamed}) as call:
            await gate.reached.wait()
            if ended_by == "its client":
                call.leave()
            elif ended_by == "the server's end":
                await server.service.running.drain(0)
            await call.ended()
        return await counts_of(server)

    assert count(asyncio.run(whole()), "tokens_total", kind="completion") == 3


def test_errors_are_counted_by_their_code() -> None:
    over = engine("hello", "hello", failure=(1, GenerationFailed("x")))
    found = after(Server(chat(over)), {"stream": True}, {"strange": 1}, {"model": "strange"}, {})
    for code in ("generation_failed", "invalid_value", "model_not_found"):
        assert count(found, "errors_total", code=code) == 1


def test_cuts_of_the_window_are_counted() -> None:
    long = {"role": "user", "content": "the weather is nice today " * 8}
    talk = [*[long, {"role": "assistant", "content": "hi"}] * 9, *HELLO]
    drop = {"messages": talk, "duihua": {"window": "drop"}}
    found = after(serving("hello", "hello", size=512), drop, {**drop, "max_tokens": 10**6})
    assert count(found, "window_cuts_total", kind="dropped") == 2
    assert count(found, "window_cuts_total", kind="clamped") == 1
    assert count(found, "window_cuts_total", kind="shortened") == 0


def test_what_runs_and_what_waits_is_told() -> None:
    async def whole() -> list[tuple[float, float]]:
        gate = Turnstile(1)
        server = Server(chat(engine("hello world", "hello", gate=gate)))
        told: list[tuple[float, float]] = []
        async with server.call("POST", CHAT, {"messages": HELLO, "stream": True}) as first:
            await first.sees(b"data: ")
            async with server.call("POST", CHAT, {"messages": HELLO}):
                await gate.reached.wait()
                while server.service.running.count < 2:  # noqa: ASYNC110  nothing says so
                    await asyncio.sleep(0)
                found = await counts_of(server)
                told.append((count(found, "running_requests"), count(found, "waiting_requests")))
        found = await counts_of(server)
        told.append((count(found, "running_requests"), count(found, "waiting_requests")))
        return told

    assert asyncio.run(whole()) == [(2, 1), (0, 0)]


def test_clients_that_left_before_their_answer_are_counted_as_proxies_count_them() -> None:
    async def whole() -> Counts:
        gate = Turnstile(0)
        server = Server(chat(engine("hello", gate=gate)))
        async with server.call("POST", CHAT, {"messages": HELLO}) as call:
            await gate.reached.wait()
            call.leave()
            await call.ended()
        return await counts_of(server)

    assert count(asyncio.run(whole()), "requests_total", path=CHAT, status="499") == 1


def test_a_histogram_counts_up_to_each_bound() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 7.0):
        histogram.observe(value)
    assert list(histogram.rows("x")) == [
        'x_bucket{le="1.0"} 2', 'x_bucket{le="2.0"} 3', 'x_bucket{le="+Inf"} 4', "x_sum 10.000000", "x_count 4",
    ]  # fmt: skip
