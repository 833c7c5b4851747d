"""Messages that cannot be, and depths; what becomes of the others is in `test_wire.py`."""

from __future__ import annotations

from typing import Any

import pytest

from server.asgi import ask, asked, serving

CALL: dict[str, Any] = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USER = {"role": "user", "content": "hello"}


@pytest.mark.parametrize("content", [{}, {"content": None}])
@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool"])
def test_a_message_without_content_is_refused_by_name(role: str, content: dict[str, Any]) -> None:
    messages = [USER, {"role": role, **content}]
    for reply in (asked(serving(), messages), ask(serving(), "POST", "/tokenize", {"messages": messages})):
        assert (reply.status, reply.error["param"], reply.error["code"]) == (
            400,
            "messages[1].content",
            "invalid_value",
        )


@pytest.mark.parametrize("more", [{"tool_calls": [CALL]}, {"reasoning": "hm"}, {"reasoning_content": "hm"}])
def test_an_assistant_who_did_something_else_may_say_nothing(more: dict[str, Any]) -> None:
    answer = {"role": "tool", "tool_call_id": "c1", "content": ""} if "tool_calls" in more else USER
    for content in ({}, {"content": None}):
        assert asked(serving(), [USER, {"role": "assistant", **content, **more}, answer]).status == 200


@pytest.mark.parametrize(
    ("role", "more"),
    [
        ("user", {"tool_call_id": "c1"}),
        ("assistant", {"tool_call_id": "c1"}),
        ("user", {"reasoning": "hm"}),
        ("system", {"reasoning_content": "hm"}),
    ],
)
def test_what_only_another_role_has_is_refused_by_name(role: str, more: dict[str, Any]) -> None:
    reply = asked(serving(), [{"role": role, "content": "hello", **more}, USER])
    assert (reply.status, reply.error["param"]) == (400, f"messages[0].{next(iter(more))}")
    assert asked(serving(), [{"role": role, "content": "hello", **dict.fromkeys(more)}, USER]).status == 200


@pytest.mark.parametrize("content", ["", []])
def test_an_empty_text_is_one(content: object) -> None:
    assert asked(serving(), [{"role": "user", "content": content}]).status == 200


@pytest.mark.parametrize(("depth", "status"), [(60, 200), (70, 400)])
def test_a_call_s_arguments_nest_only_so_deep(depth: int, status: int) -> None:
    arguments = '{"a": ' + "[" * depth + "]" * depth + "}"
    call = {**CALL, "function": {"name": "f", "arguments": arguments}}
    called = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert asked(serving(), [USER, called, {"role": "tool", "tool_call_id": "c1", "content": "5"}]).status == status
