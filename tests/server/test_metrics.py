"""What a server counts, as Prometheus's own parser reads it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chat.talk import Turnstile, chat, engine, ids
from duihua.errors import GenerationFailed
from duihua.server.metrics import Histogram
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
    assert count(found, "whole_request_seconds_count") == 8


@pytest.mark.parametrize("streamed", [False, True])
def test_tokens_are_counted(streamed: bool) -> None:
    over = engine("hello", "hello")
    found = after(Server(chat(over)), {"stream": streamed}, {"stream": streamed})
    prompt = len(over.requests[0].token_ids)
    assert count(found, "tokens_total", kind="prompt") == 2 * prompt
    assert count(found, "tokens_total", kind="cached") == prompt - 1
    assert count(found, "tokens_total", kind="completion") == 2 * (len(ids("hello")) + 1)
    assert count(found, "first_token_seconds_count") == 2
    assert count(found, "between_tokens_seconds_count") > 0


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
