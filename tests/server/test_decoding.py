"""Bodies as the types they have to be: what is wrong is named, what is unknown is left out where that is wanted."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from duihua.server.catalogue import AdapterRequest
from duihua.server.decoding import WrongField, decoded, decoded_leniently
from duihua.server.failures import Refusal
from duihua.server.tokens import TokenizeRequest
from duihua.server.wire import ChatRequest
from server.asgi import asked, serving

USER = {"role": "user", "content": "a"}
CALL: dict[str, Any] = {"id": "c1", "function": {"name": "f"}}


def refused(value: object, kind: type) -> WrongField:
    with pytest.raises(WrongField) as caught:
        decoded(json.dumps(value).encode(), kind)
    return caught.value


def leniently(value: object, kind: type = ChatRequest) -> tuple[Any, tuple[str, ...]]:
    return decoded_leniently(json.dumps(value).encode(), kind)


@pytest.mark.parametrize(
    ("value", "kind", "name", "near"),
    [
        ({"messages": [], "max_token": 5}, ChatRequest, "max_token", "max_tokens"),
        ({"messages": [], "duihua": {"windw": "drop"}}, ChatRequest, "duihua.windw", "window"),
        ({"messages": [], "stream_options": {"include_usag": 1}}, ChatRequest, "stream_options.include_usag", "include_usage"),
        ({"messages": [{**USER, "tool_call": []}]}, ChatRequest, "messages[0].tool_call", "tool_calls"),
        (
            {"messages": [{**USER, "tool_calls": [{"id": "c", "function": {"nam": "f"}}]}]},
            ChatRequest, "messages[0].tool_calls[0].function.nam", "name",
        ),
        ({"mesages": []}, TokenizeRequest, "mesages", "messages"),
        ({"lora_nam": "a"}, AdapterRequest, "lora_nam", "lora_name"),
    ],
)  # fmt: skip
def test_an_unknown_field_is_named_with_the_nearest_of_its_own_object(
    value: object, kind: type, name: str, near: str
) -> None:
    error = refused(value, kind)
    assert error.name == name
    assert str(error) == f"{name}: unknown field {name!r}: did you mean {near!r}?"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"messages": [], "max_output_size": 5}, ChatRequest),
        ({"messages": [], "duihua": {"temperatur": 1}}, ChatRequest),
        ({"messages": [{**USER, "max_token": []}]}, ChatRequest),
        ({"lora_name": "a", "adapter_path": "b"}, AdapterRequest),
    ],
)
def test_a_name_that_is_not_close_is_no_hint(value: object, kind: type) -> None:
    assert str(refused(value, kind)).endswith(": leave it out")


def test_a_field_that_is_missing_or_of_another_type_is_named() -> None:
    assert str(refused({}, ChatRequest)) == "messages: it is missing"
    assert str(refused({"messages": [{}]}, ChatRequest)) == "messages[0].role: it is missing"
    assert refused({"messages": [], "logit_bias": {"1": "1"}}, ChatRequest).name == "logit_bias[...]"
    with pytest.raises(Refusal, match="no JSON"):
        decoded(b"{", ChatRequest)


def test_what_is_unknown_is_left_out_at_any_depth_and_named_once() -> None:
    call = {**CALL, "extra_content": {}, "function": {"name": "f", "strict": True}}
    value = {
        "messages": [USER, {**USER, "reasoning_details": []}, {**USER, "reasoning_details": 1, "tool_calls": [call]}],
        "stream_options": {"include_usage": True, "chunks": 1},
        "duihua": {"window": "drop", "windw": "drop"},
        "metadata": {"strange": {"kept": 1}},
        "strange": 1,
    }
    found, names = leniently(value)
    assert set(names) == {
        "messages[].reasoning_details", "messages[].tool_calls[].extra_content", "messages[].tool_calls[].function.strict",
        "stream_options.chunks", "duihua.windw", "strange",
    }  # fmt: skip
    assert len(found.messages) == 3
    assert found.duihua.window == "drop"
    assert found.metadata == {"strange": {"kept": 1}}
    with pytest.raises(WrongField, match=r"messages\[0\]\.role"):
        leniently({"messages": [{"role": 5, "strange": 1}]})


def test_what_is_known_is_read_alike_by_both() -> None:
    value = {"messages": [USER, {**USER, "content": [{"type": "text", "text": "a"}]}], "temperature": 1, "seed": 2**64}
    assert leniently(value) == (decoded(json.dumps(value).encode(), ChatRequest), ())
    assert leniently({**value, "strange": 1}) == (leniently(value)[0], ("strange",))


def test_thousands_of_messages_with_something_unknown_take_no_longer_than_they_must() -> None:
    body = json.dumps({"messages": [{**USER, f"strange{i % 7}": i} for i in range(50_000)]}).encode()
    since = time.perf_counter()
    found, names = decoded_leniently(body, ChatRequest)
    assert time.perf_counter() - since < 5  # each name in each message by itself would take minutes
    assert (len(found.messages), len(names)) == (50_000, 7)


def test_a_lenient_server_answers_and_names_what_it_left_out() -> None:
    messages = [{**USER, "reasoning_details": [], "a\r\nb": 1}]
    reply = asked(serving(lenient=True), messages, duihua={"windw": 1})
    assert reply.status == 200
    told = "messages[].reasoning_details, messages[].a\\r\\nb, duihua.windw"
    assert reply.headers["x-duihua-ignored"] == told
