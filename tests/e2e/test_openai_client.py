"""The `openai` package, as people use it, against `duihua serve` in a process of its own, on both engines."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam

from checkpoint.adapter_layouts import make_pirate
from e2e.served import Served, eventually

STORY: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Tell me a story."}]
KEY = "a-key-of-this-test"
FLAGS = {"transformers": (), "vllm": ("--eager",)}


@pytest.fixture(scope="module")
def pirate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that changes every answer."""
    return make_pirate(tmp_path_factory.mktemp("adapters") / "pirate")


@pytest.fixture(scope="module", params=["transformers", pytest.param("vllm", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pirate: Path) -> Iterator[Served]:
    """The demo with an adapter beside it."""
    home, flags = tmp_path_factory.mktemp(request.param), FLAGS[request.param]
    path = {"PATH": os.environ["PATH"]}  # vLLM compiles what it needs for log-probabilities: that takes a compiler
    with Served(home, "--adapter", f"pirate={pirate}", *flags, engine=request.param, variables=path) as served:
        yield served.listening(within_s=200)


@pytest.fixture
def client(server: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A small server: it wants a key, answers one request at a time, for two seconds at most, and one may wait."""
    home = tmp_path_factory.mktemp("guarded")
    (home / "keys").write_text(f"{KEY}\n", encoding="utf-8")
    bounds = ("--max-sequences", "1", "--max-waiting", "1", "--deadline-seconds", "2", "--max-body-bytes", "20000")
    with Served(home, "--api-key-file", str(home / "keys"), *bounds) as served:
        yield served.listening(within_s=200)


@pytest.fixture
def known(guarded: Served) -> Iterator[OpenAI]:
    """Somebody with the key."""
    with OpenAI(base_url=f"http://127.0.0.1:{guarded.port}/v1", api_key=KEY, max_retries=0) as made:
        yield made


def streamed(client: OpenAI, **fields: Any) -> tuple[str, str | None, Any]:
    """A streamed answer's text, how it ended, and its usage."""
    text, reason, usage = "", None, None
    for chunk in client.chat.completions.create(
        model="demo", messages=STORY, stream=True, stream_options={"include_usage": True}, **fields
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reason = choice.finish_reason or reason
    return text, reason, usage


def test_streamed_and_whole_answers_are_the_same(client: OpenAI) -> None:
    fields: dict[str, Any] = {"temperature": 0.8, "seed": 7, "max_tokens": 24, "n": 1}
    client.chat.completions.create(model="demo", messages=STORY, **fields)  # from now on the prompt is cached
    whole = client.chat.completions.create(model="demo", messages=STORY, **fields)
    text, reason, usage = streamed(client, **fields)
    choice = whole.choices[0]
    assert text
    assert (text, reason, usage) == (choice.message.content, choice.finish_reason, whole.usage)


def test_a_conversation_goes_on_with_what_came_back(client: OpenAI) -> None:
    talk: list[Any] = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "My name is Kim."}]
    first = client.chat.completions.create(model="demo", messages=talk, temperature=0).choices[0].message
    talk += [first.model_dump(), {"role": "user", "content": [{"type": "text", "text": "What is my name?"}]}]
    second = client.chat.completions.create(model="demo", messages=talk, temperature=0).choices[0].message
    assert "Kim" in (second.content or "")


def test_many_at_once_are_answered_each_its_own(server: Served) -> None:
    async def whole() -> list[tuple[str, str]]:
        async with AsyncOpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0) as client:

            async def one(name: str) -> tuple[str, str]:
                talk: list[ChatCompletionMessageParam] = [
                    {"role": "user", "content": f"My name is {name}."},
                    {"role": "assistant", "content": f"Nice to meet you, {name}!"},
                    {"role": "user", "content": "What is my name?"},
                ]
                stream = await client.chat.completions.create(
                    model="demo", messages=talk, stream=True, temperature=0, max_tokens=24
                )
                chunks = [chunk async for chunk in stream]
                assert len({chunk.id for chunk in chunks}) == 1
                assert chunks[-1].choices[0].finish_reason
                return "".join(chunk.choices[0].delta.content or "" for chunk in chunks), chunks[0].id

            return await asyncio.gather(*map(one, ("Kim", "Lin", "Tom", "Anna", "Ben", "Mia", "Max", "Eva")))

    answers = asyncio.run(whole())
    assert len({reply_id for _, reply_id in answers}) == 8
    assert len({text for text, _ in answers}) == 8
    assert "Kim" in answers[0][0]


def test_adapters_are_models_beside_the_model(client: OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}
    assert list(models) == ["demo", "pirate"]
    assert client.models.retrieve("pirate").model_dump()["parent"] == "demo"

    def said(model: str) -> str | None:
        reply = client.chat.completions.create(model=model, messages=STORY, temperature=0, max_tokens=16)
        assert reply.model == model
        return reply.choices[0].message.content

    plain, changed = said("demo"), said("pirate")
    assert plain != changed
    assert (said("demo"), said("pirate")) == (plain, changed)


def test_log_probabilities_are_those_of_the_text(client: OpenAI) -> None:
    reply = client.chat.completions.create(
        model="demo", messages=STORY, temperature=0, max_tokens=6, logprobs=True, top_logprobs=3
    )
    choice = reply.choices[0]
    assert choice.logprobs is not None
    rows = choice.logprobs.content or []
    assert 5 <= len(rows) <= 6  # the line break that the template owes is a token without a row
    assert b"".join(bytes(row.bytes or []) for row in rows).decode() == choice.message.content
    for row in rows:  # greedy: what was taken is the likeliest
        assert len(row.top_logprobs) == 3
        assert row.top_logprobs[0].token == row.token
        assert row.logprob == pytest.approx(row.top_logprobs[0].logprob, abs=1e-3)
        assert sorted((top.logprob for top in row.top_logprobs), reverse=True) == [t.logprob for t in row.top_logprobs]


def test_several_answers_and_stops(client: OpenAI) -> None:
    several = client.chat.completions.create(model="demo", messages=STORY, n=3, temperature=0, max_tokens=8)
    assert len({choice.message.content for choice in several.choices}) == 1
    assert [choice.index for choice in several.choices] == [0, 1, 2]
    text = several.choices[0].message.content or ""
    word = text.split()[1]
    stopped = client.chat.completions.create(model="demo", messages=STORY, stop=word, temperature=0, max_tokens=8)
    assert (stopped.choices[0].message.content, stopped.choices[0].finish_reason) == (text.split(word)[0], "stop")


def test_the_package_s_own_helpers_work(client: OpenAI) -> None:
    with client.chat.completions.stream(model="demo", messages=STORY, temperature=0) as stream:
        seen = "".join(event.delta for event in stream if event.type == "content.delta")
        assert stream.get_final_completion().choices[0].message.content == seen
    parsed = client.chat.completions.parse(model="demo", messages=STORY, temperature=0).choices[0].message
    again: list[Any] = [*STORY, parsed.model_dump(), {"role": "user", "content": "And then?"}]
    assert client.chat.completions.create(model="demo", messages=again, max_tokens=4).choices


def test_the_window_s_report_is_told_in_header_and_reply(client: OpenAI) -> None:
    long = [{"role": "user" if i % 2 == 0 else "assistant", "content": "The weather is nice. " * 30} for i in range(41)]
    talk: Any = long
    raw = client.chat.completions.with_raw_response.create(
        model="demo",
        messages=talk,
        max_tokens=4,
        extra_body={"duihua": {"window": "drop"}},
        extra_headers={"X-Request-Id": "mine-1"},
    )
    report = (raw.parse().model_extra or {})["duihua"]["window"]
    assert report["dropped_exchanges"] > 0
    assert raw.headers["x-duihua-window"].startswith(f"dropped_exchanges={report['dropped_exchanges']}; ")
    assert raw.headers["x-request-id"] == raw.request_id == "mine-1"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="demo", messages=talk)
    assert caught.value.code == "context_length_exceeded"
    assert "maximum context length is 2048 tokens" in caught.value.message


def test_a_reply_may_be_read_as_it_comes(client: OpenAI) -> None:
    with client.chat.completions.with_streaming_response.create(
        model="demo", messages=STORY, max_tokens=8, stream=True
    ) as reply:
        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        lines = [line for line in reply.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"


def test_who_leaves_a_stream_leaves_nothing_behind(client: OpenAI, server: Served) -> None:
    for attempt in range(3):  # vLLM is through in two seconds: where the machine stands still meanwhile, once more
        stream = client.chat.completions.create(
            model="demo", messages=STORY, stream=True, max_tokens=1500, extra_body={"ignore_eos": True}
        )
        next(stream)
        running = server.metric("running_requests")
        stream.close()
        if running or attempt == 2:
            assert running == 1
            break
    eventually(lambda: server.metric("running_requests") == 0, what="the end of the answer")


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"extra_body": {"max_token": 5}}, openai.BadRequestError, "max_token"),
        ({"temperature": -1}, openai.BadRequestError, "temperature"),
        ({"reasoning_effort": "high"}, openai.BadRequestError, "reasoning_effort"),
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"model": "gpt-4o"}, openai.NotFoundError, "model"),
    ],
)
def test_each_error_is_the_package_s_own(
    client: OpenAI, fields: dict[str, Any], kind: type[openai.APIStatusError], param: str
) -> None:
    for stream in (False, True):
        asked: dict[str, Any] = {"model": "demo", "messages": STORY, "stream": stream, **fields}
        with pytest.raises(kind) as caught:
            client.chat.completions.create(**asked)
        assert caught.value.param == param
        assert caught.value.request_id


def test_a_path_that_is_not_there_is_the_package_s_not_found(client: OpenAI) -> None:
    for ask in (lambda: client.embeddings.create(model="demo", input="a"), lambda: client.models.retrieve("strange")):
        with pytest.raises(openai.NotFoundError):
            ask()


def test_curl_needs_nothing_but_the_body(server: Served) -> None:
    body = json.dumps({"messages": STORY, "max_tokens": 4, "stream": True})
    url = f"http://127.0.0.1:{server.port}/v1/chat/completions"
    done = subprocess.run(
        ["curl", "-sSN", url, "-H", "content-type: application/json", "-d", body],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.startswith('data: {"id":"chatcmpl-')
    assert done.stdout.endswith("data: [DONE]\n\n")


# A guarded server


def test_a_wrong_key_is_the_package_s_authentication_error(guarded: Served) -> None:
    with OpenAI(base_url=f"http://127.0.0.1:{guarded.port}/v1", api_key="another-key", max_retries=0) as stranger:
        asks: list[Callable[[], object]] = [
            lambda: stranger.models.list(),
            lambda: stranger.chat.completions.create(model="demo", messages=STORY),
        ]
        for ask in asks:
            with pytest.raises(openai.AuthenticationError) as caught:
                ask()
            assert caught.value.code == "invalid_api_key"
    assert guarded.get("/health")[0] == 200


def test_a_key_opens(known: OpenAI) -> None:
    assert [model.id for model in known.models.list()] == ["demo"]


def test_a_large_body_is_refused(known: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        known.chat.completions.create(model="demo", messages=[{"role": "user", "content": "a" * 20_000}])
    assert (caught.value.status_code, caught.value.code) == (413, "body_too_large")


def test_a_full_server_and_a_deadline_are_errors_of_the_package(known: OpenAI, guarded: Served) -> None:
    """One runs, one waits, the third is refused; the first ends at its deadline, and then it is the second's turn."""
    long = {"ignore_eos": True}

    def waiting() -> bool:
        text = guarded.get("/metrics", authorization=f"Bearer {KEY}")[2].decode()
        return "\nduihua_waiting_requests 1\n" in text

    async def second() -> None:
        async with AsyncOpenAI(base_url=str(known.base_url), api_key=KEY, max_retries=0) as other:
            waits = asyncio.create_task(other.chat.completions.create(model="demo", messages=STORY, max_tokens=4))
            await asyncio.to_thread(eventually, waiting, what="a request that waits")
            with pytest.raises(openai.RateLimitError) as caught:
                await other.chat.completions.create(model="demo", messages=STORY)
            assert caught.value.code == "engine_busy"
            assert caught.value.response.headers["retry-after"] == "1"
            with pytest.raises(openai.APIError, match="longer than this server allows") as late:
                await asyncio.to_thread(list, first)
            assert late.value.code == "deadline_exceeded"
            await asyncio.gather(waits, return_exceptions=True)

    first = known.chat.completions.create(model="demo", messages=STORY, stream=True, max_tokens=1900, extra_body=long)
    next(first)
    asyncio.run(second())
    assert known.chat.completions.create(model="demo", messages=STORY, max_tokens=4).choices
