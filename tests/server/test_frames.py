"""Replies, whole and in chunks, against the types of the `openai` package."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionTokenLogprob
from openai.types.chat.chat_completion_token_logprob import TopLogprob

from chat.talk import chat, engine, ids
from duihua.events import Event, TextDelta
from duihua.server.ask import read_ask
from duihua.server.exchange import DONE
from duihua.server.frames import ChunkWriter
from duihua.server.settings import ServeSettings
from prompt import traits
from server.asgi import HELLO, Reply, Server, asked, serving

WORLD = ids(" world")[-1]
THINKS = "<think>\nhm\n</think>\n\nyes"
LONG = tuple({"role": role, "content": "the weather is nice today " * 4} for role in ("user", "assistant") * 9)
TALK = (*LONG, {"role": "user", "content": "hello"})
SSE = "text/event-stream; charset=utf-8"
USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def whole_of(reply: Reply) -> dict[str, Any]:
    """The whole reply that a stream's chunks make."""
    choices: dict[int, dict[str, Any]] = {}
    usage: Any = None
    for chunk in reply.chunks:
        usage = chunk.get("usage") or usage
        for row in chunk["choices"]:
            choice = choices.setdefault(row["index"], {"content": "", "reasoning": "", "logprobs": [], "token_ids": []})
            for name in ("content", "reasoning"):
                choice[name] += row["delta"].get(name) or ""
            choice["logprobs"] += (row["logprobs"] or {"content": []})["content"]
            choice["token_ids"] += row.get("token_ids", [])
            if row["finish_reason"] is not None:
                assert "finish_reason" not in choice, "a choice ended twice"
                choice |= {"finish_reason": row["finish_reason"], "stop_reason": row["stop_reason"]}
    return {"usage": usage, "choices": choices}


@pytest.mark.parametrize("fields", [{}, {"logprobs": True, "top_logprobs": 2}, {"return_token_ids": True}, {"n": 3}])
def test_replies_are_what_the_openai_package_expects(fields: dict[str, Any]) -> None:
    whole = asked(serving(THINKS, THINKS, THINKS), **fields)
    found = ChatCompletion.model_validate(whole.json(), strict=True)
    assert found.id.startswith("chatcmpl-")
    assert {choice.finish_reason for choice in found.choices} == {"stop"}
    streamed = asked(serving(THINKS, THINKS, THINKS), **USAGE, **fields)
    for chunk in streamed.chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)


@pytest.mark.parametrize("answer", ["hello world", THINKS, "你好，🙂 今天天气不错", "", "<think>\nhm"])
@pytest.mark.parametrize(
    "fields",
    [{}, {"n": 3}, {"max_tokens": 4}, {"stop": ["wor", "天"]}, {"logprobs": True, "top_logprobs": 1},
     {"return_token_ids": True, "n": 2}, {"best_of": 3, "n": 2}],
)  # fmt: skip
def test_a_stream_tells_what_the_whole_reply_tells(answer: str, fields: dict[str, Any]) -> None:
    whole = asked(serving(*[answer] * 3), **fields).json()
    streamed = whole_of(asked(serving(*[answer] * 3), **USAGE, **fields))
    assert streamed["usage"] == whole["usage"]
    assert sorted(streamed["choices"]) == [choice["index"] for choice in whole["choices"]]
    for choice in whole["choices"]:
        found, message = streamed["choices"][choice["index"]], choice["message"]
        assert (found["content"], found["reasoning"]) == (message["content"], message.get("reasoning", ""))
        assert found["finish_reason"] == choice["finish_reason"]
        assert found["stop_reason"] == choice["stop_reason"]
        assert found["logprobs"] == (choice["logprobs"] or {"content": []})["content"]
        assert found["token_ids"] == choice.get("token_ids", [])


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.sampled_from('ab你🙂 \n"\\\x07\u2028<'), max_size=20))
def test_every_text_survives_a_chunk(text: str) -> None:
    assert asked(serving(text), stream=True).text == text


def test_a_stream_begins_with_the_role_and_keeps_its_names() -> None:
    chunks = asked(serving("hello world"), stream=True).chunks
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert all("role" not in row["delta"] for chunk in chunks[1:] for row in chunk["choices"])
    for name in ("id", "created", "model", "system_fingerprint", "object"):
        assert len({chunk[name] for chunk in chunks}) == 1
    assert chunks[0]["object"] == "chat.completion.chunk"
    assert chunks[-1]["choices"][0]["delta"] == {}


def test_two_replies_have_two_ids_and_one_fingerprint() -> None:
    server = serving()
    first, second = (asked(server).json() for _ in range(2))
    assert first["id"] != second["id"]
    assert first["system_fingerprint"] == second["system_fingerprint"]


def test_every_chunk_has_a_choice_unless_usage_was_asked_for() -> None:
    """Clients read chunk.choices[0] of every chunk; only who asks for usage knows of one without."""
    plain = asked(serving("hello"), stream=True, max_tokens=10**6).chunks
    assert all(chunk["choices"] for chunk in plain)
    assert all("usage" not in chunk for chunk in plain)
    *chunks, last = asked(serving("hello"), **USAGE).chunks
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in chunks)
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], len(ids("hello")) + 1)


# Counts


def test_usage_counts_what_the_engine_counts() -> None:
    over = engine("hello", "hello")
    server = Server(chat(over))
    first, second = (asked(server).json()["usage"] for _ in range(2))
    prompt, answer = len(over.requests[0].token_ids), len(ids("hello")) + 1
    assert first == {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    assert second["prompt_tokens_details"]["cached_tokens"] == prompt - 1


def test_thinking_is_told_apart_and_counted() -> None:
    reply = asked(serving(THINKS)).json()
    message = reply["choices"][0]["message"]
    assert (message["content"], message["reasoning"], message["reasoning_content"]) == ("yes", "hm", "hm")
    tokens = reply["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert 0 < tokens < reply["usage"]["completion_tokens"]


@pytest.mark.parametrize(
    ("fields", "reason", "stopped_by"),
    [({}, "stop", None), ({"max_tokens": 2}, "length", None), ({"stop": "wor"}, "stop", "wor"),
     ({"stop_token_ids": [WORLD]}, "stop", WORLD), ({"stop_token_ids": [0]}, "stop", None)],
)  # fmt: skip
def test_the_reason_of_the_end_is_told(fields: dict[str, Any], reason: str, stopped_by: object) -> None:
    """As vLLM tells it (check_stop in vllm/v1/core/sched/utils.py): the model's own end has no name."""
    (choice,) = asked(serving("hello world"), **fields).json()["choices"]
    assert (choice["finish_reason"], choice["stop_reason"]) == (reason, stopped_by)


def test_several_answers_come_with_temperature_zero_too() -> None:
    choices = asked(serving("one", "two", "three"), n=3, temperature=0).json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert sorted(choice["message"]["content"] for choice in choices) == ["one", "three", "two"]


# Tokens


def test_log_probabilities_have_openai_s_shape() -> None:
    (choice,) = asked(serving("你好 hello"), logprobs=True, top_logprobs=3).json()["choices"]
    assert choice["logprobs"]["refusal"] is None
    rows = choice["logprobs"]["content"]
    for row in rows:
        assert set(row) == set(ChatCompletionTokenLogprob.model_fields)
        assert all(set(top) == set(TopLogprob.model_fields) for top in row["top_logprobs"])
        assert len(row["top_logprobs"]) == 1
        assert -9999 <= row["logprob"] <= 0
    assert bytes(byte for row in rows for byte in row["bytes"]).decode() == "你好 hello"


def test_ids_are_told_where_they_are_asked_for() -> None:
    over = engine("hello", "hello")
    server = Server(chat(over))
    reply = asked(server, return_token_ids=True).json()
    assert reply["prompt_token_ids"] == list(over.requests[0].token_ids)
    assert reply["choices"][0]["token_ids"] == [*ids("hello"), *ids("<|im_end|>")]
    first = asked(server, return_token_ids=True, stream=True).chunks[0]
    assert first["prompt_token_ids"] == reply["prompt_token_ids"]


def test_the_prompt_s_log_probabilities_are_as_vllm_writes_them() -> None:
    over = engine("hello")
    rows = asked(Server(chat(over)), prompt_logprobs=1).json()["prompt_logprobs"]
    prompt = over.requests[0].token_ids
    assert rows[0] is None
    assert rows[1] == {
        str(prompt[1]): {"logprob": 0.0, "rank": 1, "decoded_token": traits.tokenizer().decode([prompt[1]])}
    }
    assert len(rows) == len(prompt)


# The window


def test_a_window_that_did_nothing_is_not_told_of() -> None:
    for reply in (asked(serving("hello")), asked(serving("hello"), stream=True)):
        assert "x-duihua-window" not in reply.headers
        assert b"duihua" not in reply.body


def test_what_was_dropped_is_told_in_the_reply_its_header_and_the_last_chunk() -> None:
    drop = {"duihua": {"window": "drop"}, "max_tokens": 8}
    whole = asked(serving("hello", size=512), TALK, **drop)
    told = whole.json()["duihua"]["window"]
    assert told["dropped_exchanges"] + told["kept_exchanges"] == 10
    assert told["dropped_exchanges"] > 0
    assert told["prompt_tokens"] == whole.json()["usage"]["prompt_tokens"] <= told["limit"]
    assert f"dropped_exchanges={told['dropped_exchanges']}; dropped_tokens=" in whole.headers["x-duihua-window"]
    for more in ({"stream": True}, {"stream": True, "n": 2}, USAGE):
        streamed = asked(serving("hello", "hello", size=512), TALK, **drop, **more)
        assert streamed.headers["x-duihua-window"] == whole.headers["x-duihua-window"]
        *chunks, last = streamed.chunks
        assert last["duihua"]["window"] == told
        assert not any("duihua" in chunk for chunk in chunks)


def test_an_answer_with_less_room_than_asked_for_says_so() -> None:
    reply = asked(serving("hello", size=256), max_tokens=1000)
    told = reply.json()["duihua"]["window"]
    assert (told["clamped_from"], told["max_tokens"]) == (1000, 256 - told["prompt_tokens"])
    assert reply.headers["x-duihua-window"] == f"clamped_from=1000; max_tokens={told['max_tokens']}"


def test_a_last_text_that_is_too_long_is_shortened_where_that_is_asked() -> None:
    long = ({"role": "user", "content": "hello world " * 200},)
    fields = {"duihua": {"window": "drop", "overlong": "middle"}, "max_tokens": 8}
    told = asked(serving("hello", size=128), long, **fields).json()["duihua"]["window"]
    assert told["shortened_from"] == len(ids("hello world " * 200))
    assert asked(serving("hello", size=128), long, duihua={"window": "drop"}).status == 400


def test_a_conversation_keeps_at_most_so_many_exchanges() -> None:
    told = asked(serving("hello"), TALK, duihua={"window": "drop", "max_exchanges": 5}).json()["duihua"]["window"]
    assert told["kept_exchanges"] <= 5


def test_the_prompt_may_be_bounded_and_whole_turns_go() -> None:
    over = engine("hello")
    reply = asked(Server(chat(over)), TALK, truncate_prompt_tokens=120)
    assert len(over.requests[0].token_ids) <= 120
    assert reply.json()["duihua"]["window"]["dropped_exchanges"] > 0
    assert asked(serving("hello"), TALK, truncate_prompt_tokens=-1).json()["usage"]["prompt_tokens"] > 120
    refused = asked(serving(), TALK, truncate_prompt_tokens=120, duihua={"window": "error"})
    assert (refused.status, refused.error["param"]) == (400, "truncate_prompt_tokens")


def test_a_conversation_that_fits_exactly_is_answered_and_one_token_more_is_refused() -> None:
    prompt = len(ids("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"))
    reply = asked(serving("hello", size=prompt + 1)).json()
    assert (reply["usage"]["prompt_tokens"], reply["usage"]["completion_tokens"]) == (prompt, 1)
    for streamed in (False, True):
        refused = asked(serving("hello", size=prompt), stream=streamed)
        assert refused.status == 400
        assert refused.error["code"] == "context_length_exceeded"
        assert refused.error["message"].startswith(f"This model's maximum context length is {prompt} tokens. ")
        numbers = {name: refused.error[name] for name in ("prompt_tokens", "limit", "context_window")}
        assert numbers == {"prompt_tokens": prompt, "limit": prompt - 1, "context_window": prompt}


def test_a_conversation_that_outgrew_the_window_is_refused_unless_turns_may_go() -> None:
    assert asked(serving("hello", size=512), TALK).error["code"] == "context_length_exceeded"
    assert asked(serving("hello", size=512, overflow="drop"), TALK).status == 200
    refused = asked(serving("hello", size=512, overflow="drop"), TALK, duihua={"window": "error"})
    assert refused.error["code"] == "context_length_exceeded"


def test_events_that_came_at_once_make_fewer_chunks_and_the_same_reply() -> None:
    talk = chat(engine("hello world", "the weather"))
    body = json.dumps({"messages": HELLO, "stream": True, "n": 2}).encode()
    ask = read_ask(body, talk, ServeSettings())

    async def came() -> list[Event]:
        return [event async for event in talk.stream(ask.messages, ask.sampling)]

    started, *others = asyncio.run(came())
    told = (("hel", 0), ("lo", 0), ("the ", 1), ("weather", 1), (" world", 0))
    texts = [TextDelta(text=text, choice=choice) for text, choice in told]
    events = [started, *texts, *(event for event in others if not isinstance(event, TextDelta))]
    slow, fast = (ChunkWriter("one", ask, talk) for _ in range(2))
    single, together = b"".join(slow.burst([event]) for event in events), fast.burst(events)
    assert together.count(b"data: ") < single.count(b"data: ")
    replies = [Reply(headers={"content-type": SSE}, body=data + DONE) for data in (single, together)]
    assert whole_of(replies[0]) == whole_of(replies[1])
    assert {row["content"] for row in whole_of(replies[0])["choices"].values()} == {"hello world", "the weather"}
