"""How much a request wants the model to think."""

from __future__ import annotations

from typing import Any

import pytest

from chat.talk import chat, engine
from duihua.server.ask import Ask, read_ask
from duihua.server.settings import ServeSettings
from prompt import traits
from server.asgi import Server, asked, serving
from server.test_frames import THINKS

SWITCH = traits.CHATML + "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
LEVELS = traits.CHATML.replace(
    "{{ m.content }}", "{{ m.content }}{% if reasoning_effort %} {{ reasoning_effort }}{% endif %}"
)


def read(fields: str, template: str = SWITCH) -> Ask:
    body = b'{"messages": [{"role": "user", "content": "hello"}], ' + fields.encode() + b"}"
    return read_ask(body, chat(engine("a"), template), ServeSettings())


@pytest.mark.parametrize(
    ("fields", "template", "variables", "limit"),
    [
        ('"reasoning_effort": "none"', SWITCH, {"enable_thinking": False}, None),
        ('"reasoning_effort": "low"', SWITCH, {"enable_thinking": True}, 1024),
        ('"reasoning_effort": "high"', SWITCH, {"enable_thinking": True}, None),
        ('"reasoning_effort": "low", "thinking_token_budget": 7', SWITCH, {"enable_thinking": True}, 7),
        ('"reasoning_effort": "low", "thinking_token_budget": -1', SWITCH, {"enable_thinking": True}, None),
        ('"reasoning_effort": "low"', LEVELS, {"reasoning_effort": "low"}, None),
        ('"reasoning_effort": "none"', traits.CHATML, None, 0),
        ('"thinking_token_budget": 0', SWITCH, None, 0),
        ('"thinking_token_budget": -1', SWITCH, None, None),
        ('"chat_template_kwargs": {"enable_thinking": false}', SWITCH, {"enable_thinking": False}, None),
    ],
)
def test_levels_and_limits_become_variables_and_tokens(
    fields: str, template: str, variables: dict[str, Any] | None, limit: int | None
) -> None:
    options = read(fields, template).options
    assert (options.variables, options.max_thinking_tokens) == (variables, limit)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"reasoning_effort": "huge"}, "reasoning_effort", "invalid_value"),
        ({"reasoning_effort": "high"}, "reasoning_effort", "unsupported_feature"),
        ({"thinking_token_budget": -2}, "thinking_token_budget", "invalid_value"),
        ({"thinking_token_budget": "7"}, "thinking_token_budget", "invalid_value"),
    ],
)
def test_what_cannot_be_is_refused_by_name(fields: dict[str, Any], param: str, code: str) -> None:
    reply = asked(serving(), **fields)
    assert (reply.status, reply.error["param"], reply.error["code"]) == (400, param, code)


def test_two_fields_may_not_say_two_things() -> None:
    server = Server(chat(engine("a"), SWITCH))
    reply = asked(server, reasoning_effort="high", chat_template_kwargs={"enable_thinking": False})
    assert (reply.status, reply.error["param"]) == (400, "reasoning_effort")


def test_thinking_is_told_under_both_names_unless_it_is_not_wanted() -> None:
    message = asked(serving(THINKS)).json()["choices"][0]["message"]
    assert message["reasoning"] == message["reasoning_content"] == "hm"
    for stream in (False, True):
        reply = asked(serving(THINKS), include_reasoning=False, stream=stream)
        assert b"reasoning_content" not in reply.body
        assert reply.text == "yes"


def test_a_limit_ends_thinking_and_the_answer_comes() -> None:
    reply = asked(serving("<think>", "hm hm hm hm hm hm", "yes"), thinking_token_budget=3).json()
    assert reply["choices"][0]["message"]["content"] == "yes"
    assert 0 < reply["usage"]["completion_tokens_details"]["reasoning_tokens"] <= 4
