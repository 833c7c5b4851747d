"""What each error is as an HTTP status and as OpenAI's error object."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

from chat.talk import chat, engine
from duihua import errors
from duihua.errors import (
    AdapterRejected,
    ContextOverflow,
    ConversationBusy,
    DuihuaError,
    EngineBusy,
    EngineDead,
    GenerationFailed,
    InvalidMessages,
    InvalidParameter,
    ModelLoadFailed,
    UnknownModel,
    UnsupportedFeature,
)
from duihua.server.failures import Failure, Refusal, failure_of
from server.asgi import HELLO, Server, asked, serving

OURS, CALLERS = "server_error", "invalid_request_error"


@pytest.mark.parametrize(
    ("error", "status", "kind", "code", "param"),
    [
        (InvalidParameter("n", 5, "give less"), 400, CALLERS, "invalid_value", "n"),
        (InvalidMessages("no", index=3), 400, CALLERS, "invalid_messages", "messages[3]"),
        (InvalidMessages("no"), 400, CALLERS, "invalid_messages", "messages"),
        (UnsupportedFeature("audio", "no"), 400, CALLERS, "unsupported_feature", "audio"),
        (ContextOverflow(prompt_tokens=9, limit=7, context_window=8), 400, CALLERS, "context_length_exceeded", "messages"),
        (UnknownModel("no"), 404, CALLERS, "model_not_found", "model"),
        (ConversationBusy("no"), 409, CALLERS, "conversation_busy", None),
        (AdapterRejected("no"), 400, CALLERS, "adapter_rejected", None),
        (EngineBusy("no"), 429, "rate_limit_error", "engine_busy", None),
        (EngineDead("no"), 503, OURS, "engine_dead", None),
        (GenerationFailed("no"), 500, OURS, "generation_failed", None),
        (Refusal(413, "body_too_large", "no", param="body"), 413, CALLERS, "body_too_large", "body"),
        (Refusal(503, "server_ending", "no"), 503, OURS, "server_ending", None),
        (TimeoutError(), 504, OURS, "deadline_exceeded", None),
        (ValueError("no"), 500, OURS, "internal_error", None),
    ],
)  # fmt: skip
def test_each_error_has_its_status_and_object(
    error: Exception, status: int, kind: str, code: str, param: str | None
) -> None:
    failure = failure_of(error)
    assert failure.status == status
    told = json.loads(failure.body)["error"]
    assert (told["type"], told["code"], told["param"]) == (kind, code, param)
    assert told["message"]


def test_every_error_that_is_raised_on_purpose_has_a_status_of_its_own() -> None:
    """Those that end the program before a server runs are not told over HTTP, nor what is told to a model."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DuihuaError)]
    known = {errors.ContextOverflow, errors.InvalidImage, errors.InvalidMessages, errors.InvalidParameter}
    known |= {errors.UnsupportedFeature}
    never = {errors.DuihuaError, errors.ConfigError, errors.EngineError}
    never |= {kind for kind in kinds if issubclass(kind, errors.ToolError)}
    for kind in set(kinds) - known - never:
        assert failure_of(kind("no")).code != "internal_error", kind


@pytest.mark.parametrize(
    "error",
    [EngineDead("the log lies at /var/log/x"), GenerationFailed("CUDA error at 0x7f"), OSError("/tmp/secret"),
     KeyError("x")],
)  # fmt: skip
def test_what_a_library_said_is_not_told(error: Exception) -> None:
    assert not any(word in failure_of(error).message for word in ("/", "0x", "CUDA", "secret"))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/var/lib/adapters/voice/adapter_config.json has bias", "adapter_config.json has bias"),
        ("its file ~/models/glm/model.safetensors, and /a/b", "its file model.safetensors, and b"),
        ("it changes q_proj/k_proj, r=4/8: merge it", "it changes q_proj/k_proj, r=4/8: merge it"),
        (r"C:\models\voice is a file", "voice is a file"),
    ],
)
def test_where_files_lie_is_not_told(said: str, told: str) -> None:
    for error in (AdapterRejected(said), ModelLoadFailed(said)):
        assert failure_of(error).message == told


def test_a_server_that_cannot_now_says_when_to_come_again() -> None:
    assert dict(failure_of(EngineBusy("no", retry_after_s=2.6)).headers) == {"retry-after": "3"}
    assert dict(failure_of(EngineBusy("no", retry_after_s=0.1)).headers) == {"retry-after": "1"}
    assert dict(failure_of(EngineDead("no")).headers) == {"retry-after": "5"}
    assert dict(failure_of(Refusal(405, "x", "no", headers={"allow": "GET"})).headers) == {"allow": "GET"}


def test_an_overflow_tells_its_numbers() -> None:
    told = json.loads(failure_of(ContextOverflow(prompt_tokens=5000, limit=4095, context_window=4096)).body)["error"]
    assert told["message"].startswith(
        "This model's maximum context length is 4096 tokens. However, your prompt has 5000 "
    )
    assert (told["prompt_tokens"], told["limit"], told["context_window"]) == (5000, 4095, 4096)


def test_a_prompt_that_was_not_counted_to_its_end_tells_the_least_that_it_has() -> None:
    error = asked(serving("hello", size=128), [{"role": "user", "content": "hello world " * 30_000}]).error
    assert "your prompt has more than 127 tokens" in error["message"]
    assert "prompt_tokens" not in error
    assert error["prompt_tokens_at_least"] == 128


LONG = {"role": "user", "content": "the weather is nice today " * 20}
TALK = [*[LONG, {"role": "assistant", "content": "hi"}] * 9, *HELLO]
DROP, OVERLONG, BOUND = '"window": "drop"', '"overlong": "middle"', "larger truncate_prompt_tokens"


@pytest.mark.parametrize(
    ("messages", "fields", "advised", "param"),
    [
        (TALK, {}, {DROP, OVERLONG}, "messages"),
        (TALK, {"duihua": {"overlong": "tail"}}, {DROP}, "messages"),
        ([LONG], {}, {OVERLONG}, "messages"),
        ([LONG], {"duihua": {"window": "drop"}}, {OVERLONG}, "messages"),
        ([LONG], {"truncate_prompt_tokens": -1}, {OVERLONG}, "messages"),
        ([LONG], {"truncate_prompt_tokens": 20}, {OVERLONG, BOUND}, "truncate_prompt_tokens"),
        (TALK, {"truncate_prompt_tokens": 3}, {BOUND}, "truncate_prompt_tokens"),
        ([{**LONG, "role": "system"}, *HELLO], {"duihua": {"window": "drop"}}, set[str](), "messages"),
    ],
)
def test_an_overflow_advises_only_what_would_help(
    messages: list[dict[str, str]], fields: dict[str, Any], advised: set[str], param: str
) -> None:
    error = asked(serving("hello", size=120), messages, **fields).error
    assert (error["code"], error["param"]) == ("context_length_exceeded", param)
    assert error["message"].startswith("This model's maximum context length is 120 tokens. However, your prompt has ")
    assert {cure for cure in (DROP, OVERLONG, BOUND) if cure in error["message"]} == advised


def test_long_messages_keep_both_ends() -> None:
    told: dict[str, Any] = json.loads(Failure(status=400, message="a" * 5000 + "z", param="p" * 5000).body)["error"]
    assert len(told["message"]) < 1100
    assert (told["message"][0], told["message"][-1]) == ("a", "z")
    assert len(told["param"]) < 1100


# At the edge of a request


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("error", "status"), [(GenerationFailed("x"), 500), (EngineDead("x"), 503), (EngineBusy("x"), 429)]
)
def test_an_error_before_the_first_token_is_a_status(error: errors.EngineError, status: int, streamed: bool) -> None:
    reply = asked(Server(chat(engine("hello", failure=(0, error)))), stream=streamed)
    assert reply.status == status
    assert reply.headers["content-type"] == "application/json"
    assert reply.error["code"] == failure_of(error).code


@pytest.mark.parametrize("error", [GenerationFailed("at /x"), EngineDead("at /x")])
def test_an_error_within_a_stream_is_an_event_and_the_stream_ends(error: errors.EngineError) -> None:
    reply = asked(Server(chat(engine("hello world", failure=(1, error)))), stream=True)
    *_, last, done = reply.data
    assert (reply.status, done) == (200, "[DONE]")
    assert json.loads(last)["error"]["code"] == failure_of(error).code
    assert json.loads(reply.data[1])["choices"][0]["delta"]["content"]
    assert "/x" not in last


def test_an_error_within_a_whole_reply_is_a_status() -> None:
    assert asked(Server(chat(engine("hello world", failure=(1, GenerationFailed("x")))))).status == 500
