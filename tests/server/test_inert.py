"""What asks for nothing is accepted; what asks for something that is not done is refused by its name."""

from typing import Any

import msgspec
import pytest

from duihua.server.wire import ChatRequest
from server.asgi import asked, serving

NEVER_LOOKED_AT = {
    "user", "metadata", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier",
    "session_id",
}  # fmt: skip
OTHERS = {field.name for field in msgspec.structs.fields(ChatRequest) if field.type is Any} - NEVER_LOOKED_AT


@pytest.mark.parametrize("name", sorted(NEVER_LOOKED_AT))
@pytest.mark.parametrize("value", ["somebody", {"a": "b"}, 5, ""])
def test_labels_of_a_request_may_hold_anything(name: str, value: Any) -> None:
    assert asked(serving(), **{name: value}).status == 200


@pytest.mark.parametrize("name", sorted(OTHERS))
@pytest.mark.parametrize("value", [{"strange": 1}, "strange", 77, ["strange"]])
def test_a_field_that_asks_for_something_is_refused_by_its_name(name: str, value: Any) -> None:
    reply = asked(serving(), **{name: value})
    assert reply.status == 400
    assert reply.error["param"] == name
    assert reply.error["code"] == "unsupported_feature"
    assert reply.error["message"].startswith(f"{name} is not supported here: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("store", False),
        ("parallel_tool_calls", True),
        ("service_tier", "auto"),
        ("service_tier", "default"),
        ("tools", []),
        ("thinking_token_budget", -1),
        ("reasoning_effort", "none"),
        ("tool_choice", "none"),
        ("tool_choice", "auto"),
        ("functions", []),
        ("function_call", "none"),
        ("response_format", {"type": "text"}),
        ("modalities", ["text"]),
        ("verbosity", "medium"),
        ("include_reasoning", True),
        ("echo", False),
        ("documents", []),
        ("bad_words", []),
        ("add_special_tokens", False),
        ("return_tokens_as_token_ids", False),
        ("mm_payload", "tensors"),
        ("stream_interval", 1),
        ("routed_experts_prompt_start", 0),
        ("stop", []),
        ("stop_token_ids", []),
        ("logit_bias", {}),
        ("chat_template_kwargs", {}),
        ("cache_salt", ""),
        ("length_penalty", 1.0),
        ("use_beam_search", False),
        ("early_stopping", False),
        ("logprobs", False),
        ("top_logprobs", 0),
        ("stream", False),
        ("duihua", {}),
    ],
)
def test_a_value_that_asks_for_nothing_is_accepted(name: str, value: Any) -> None:
    assert asked(serving(), **{name: value}).status == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("store", True),
        ("store", 0),
        ("service_tier", "flex"),
        ("functions", [{"name": "f"}]),
        ("function_call", {"name": "f"}),
        ("modalities", ["text", "audio"]),
        ("reasoning_effort", "high"),
        ("verbosity", "low"),
        ("chat_template", "{{ messages }}"),
        ("echo", True),
        ("stream_interval", True),
        ("use_beam_search", True),
        ("length_penalty", 2.0),
        ("early_stopping", True),
    ],
)
def test_the_same_field_with_another_value_is_refused(name: str, value: Any) -> None:
    reply = asked(serving(), **{name: value})
    assert (reply.status, reply.error["param"]) == (400, name)


@pytest.mark.parametrize("name", ["continuous_usage_stats", "include_obfuscation"])
def test_options_of_a_stream_that_are_not_done_are_refused(name: str) -> None:
    refused = asked(serving(), stream=True, stream_options={name: True})
    assert (refused.status, refused.error["param"]) == (400, f"stream_options.{name}")
    assert asked(serving(), stream=True, stream_options={name: False}).status == 200


def test_options_of_a_stream_need_a_stream() -> None:
    reply = asked(serving(), stream_options={"include_usage": True})
    assert (reply.status, reply.error["param"]) == (400, "stream_options")


@pytest.mark.parametrize("name", ["return_mm_kwargs", "mm_payload"])
def test_what_is_refused_about_pictures_does_not_deny_pictures(name: str) -> None:
    assert "how pictures were cut up" in asked(serving(), **{name: "file"}).error["message"]
