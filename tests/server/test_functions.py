"""Tools that a request brings: told to the model, its calls to the client, and what cannot be is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from chat.talk import chat, engine, ids
from chat.test_schemas import CALL, HERMES_TEMPLATE
from duihua.engine.scripted import ScriptedEngine
from duihua.parsing.hermes import HERMES
from prompt import traits
from server.asgi import Reply, Server, ask, asked, serving

PARAMETERS = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
ADD: dict[str, Any] = {"type": "function", "function": {"name": "add", "parameters": PARAMETERS}}
CLOCK: dict[str, Any] = {"type": "function", "function": {"name": "clock", "description": "Tells the time."}}
TWO = f"Two of them.\n{CALL}\n{CALL.replace('1', '22')}"
BROKEN = '<tool_call>\n{"name": "add", "arguments": {"a": }}\n</tool_call>'
USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def calling(*answers: str, size: int = 4096, **settings: Any) -> Server:
    """A server whose model calls tools as Qwen's do."""
    return Server(
        chat(engine(*answers, size=size), HERMES_TEMPLATE, calls=HERMES, reasoning=("<think>", "</think>")), **settings
    )


def gathered(reply: Reply) -> dict[int, dict[str, Any]]:
    """What each choice of a stream comes to, as clients put it together."""
    choices: dict[int, dict[str, Any]] = {}
    for chunk in reply.chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
        for row in chunk["choices"]:
            choice = choices.setdefault(row["index"], {"content": None, "calls": [], "ids": [], "rows": []})
            delta = row["delta"]
            if delta.get("content") is not None:
                choice["content"] = (choice["content"] or "") + delta["content"]
            for call in delta.get("tool_calls", ()):
                if "id" in call:
                    assert call["index"] == len(choice["calls"])
                    assert call["type"] == "function"
                    choice["calls"].append([call["id"], call["function"]["name"], call["function"]["arguments"]])
                else:
                    assert set(call) == {"index", "function"}
                    choice["calls"][call["index"]][2] += call["function"]["arguments"]
            choice["ids"] += row.get("token_ids", [])
            choice["rows"] += (row["logprobs"] or {"content": []})["content"]
            choice["reason"] = row["finish_reason"]
    return choices


def message_of(reply: Reply) -> dict[str, Any]:
    ChatCompletion.model_validate(reply.json(), strict=True)
    return reply.json()["choices"][0]["message"]


def calls_of(message: dict[str, Any]) -> list[tuple[str, str]]:
    return [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", ())]


def test_calls_come_as_openai_s_objects() -> None:
    reply = asked(calling(TWO), tools=[ADD])
    message = message_of(reply)
    assert message["content"] == "Two of them."
    assert calls_of(message) == [("add", '{"a": 1}'), ("add", '{"a": 22}')]
    assert len({call["id"] for call in message["tool_calls"]}) == 2
    assert {call["type"] for call in message["tool_calls"]} == {"function"}
    assert reply.json()["choices"][0]["finish_reason"] == "tool_calls"


def test_an_answer_that_only_calls_has_no_content() -> None:
    assert message_of(asked(calling(CALL), tools=[ADD]))["content"] is None
    streamed = gathered(asked(calling(CALL), tools=[ADD], stream=True))[0]
    assert (streamed["content"], streamed["reason"]) == (None, "tool_calls")


@pytest.mark.parametrize(
    "answer", ["hello world", CALL, TWO, BROKEN, f"{BROKEN}\n{CALL}", f"<think>\nhm\n</think>\n\n{CALL}", ""]
)
@pytest.mark.parametrize(
    "fields",
    [{}, {"n": 2}, {"max_tokens": 6}, {"parallel_tool_calls": False}, {"logprobs": True}, {"return_token_ids": True},
     {"tool_choice": "none"}, {"include_reasoning": False, "return_token_ids": True}],
)  # fmt: skip
def test_a_stream_tells_the_calls_that_the_whole_reply_tells(answer: str, fields: dict[str, Any]) -> None:
    whole = asked(calling(answer, answer), tools=[ADD], **fields).json()
    reply = asked(calling(answer, answer), tools=[ADD], **USAGE, **fields)
    streamed = gathered(reply)
    assert reply.chunks[-1]["usage"] == whole["usage"]
    for choice in whole["choices"]:
        found, message = streamed[choice["index"]], choice["message"]
        assert found["content"] == message["content"]
        assert [(name, arguments) for _, name, arguments in found["calls"]] == calls_of(message)
        assert found["reason"] == choice["finish_reason"]
        assert found["ids"] == choice.get("token_ids", [])
        assert found["rows"] == (choice["logprobs"] or {"content": []})["content"]


def test_only_the_first_call_counts_where_they_may_not_be_parallel() -> None:
    assert calls_of(message_of(asked(calling(TWO), tools=[ADD], parallel_tool_calls=False))) == [("add", '{"a": 1}')]


def test_what_is_no_call_after_all_is_text_and_counted() -> None:
    server = calling(BROKEN, BROKEN, CALL)
    for stream in (False, True):
        reply = asked(server, tools=[ADD], stream=stream)
        assert reply.text == BROKEN
        assert b'"tool_calls"' not in reply.body
    asked(server, tools=[ADD])
    text = ask(server, "GET", "/metrics").body.decode()
    assert 'duihua_tool_calls_total{kind="malformed"} 2' in text
    assert 'duihua_tool_calls_total{kind="made"} 1' in text


def test_a_call_that_is_cut_is_none() -> None:
    most = len(ids(CALL)) - 6
    reply = asked(calling(CALL), tools=[ADD], max_tokens=most, stream=True)
    assert gathered(reply)[0]["calls"] == []
    assert gathered(reply)[0]["reason"] == "length"


def test_rows_of_log_probabilities_are_those_of_the_content() -> None:
    reply = asked(calling(f"{TWO}"), tools=[ADD], logprobs=True)
    rows = reply.json()["choices"][0]["logprobs"]["content"]
    assert b"".join(bytes(row["bytes"]) for row in rows).decode() == "Two of them."
    broken = asked(calling(BROKEN), tools=[ADD], logprobs=True)
    rows = broken.json()["choices"][0]["logprobs"]["content"]
    assert b"".join(bytes(row["bytes"]) for row in rows).decode() == BROKEN


def test_the_model_hears_of_tools_and_results() -> None:
    over = engine("hello", "hello", "hello")
    server = Server(chat(over, HERMES_TEMPLATE, calls=HERMES))
    asked(server)
    asked(server, tools=[{**ADD, "function": {**ADD["function"], "strict": True}}])
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    talk = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
    ]
    assert asked(server, talk, tools=[ADD]).status == 200
    told = [over_text(over, number) for number in range(3)]
    assert "add" not in told[0]
    assert json.dumps(ADD) in told[1]
    assert "strict" not in told[1]
    assert '{"name": "add", "arguments": {"a": 1}}' in told[2]


def over_text(over: ScriptedEngine, number: int) -> str:
    return traits.tokenizer().decode(list(over.requests[number].token_ids), skip_special_tokens=False)


def test_tools_that_must_not_be_called_are_not_told() -> None:
    over = engine("hello", "hello")
    server = Server(chat(over, HERMES_TEMPLATE, calls=HERMES))
    asked(server, tools=[ADD], tool_choice="none")
    asked(server)
    assert over.requests[0].token_ids == over.requests[1].token_ids


def test_some_of_the_tools_may_be_allowed() -> None:
    over = engine("hello")
    server = Server(chat(over, HERMES_TEMPLATE, calls=HERMES))
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "clock"}}]}
    asked(server, tools=[ADD, CLOCK], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert "clock" in over_text(over, 0)
    assert "add" not in over_text(over, 0)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "add"}}])
def test_a_call_that_must_be_is_told_as_it_comes(choice: Any) -> None:
    """The scripted engine recites into every stage: the name that a choice of one has, then the arguments."""
    over = ScriptedEngine(lambda request: ids('{"a": 1}'), context_window=4096)
    server = Server(chat(over, HERMES_TEMPLATE, calls=HERMES))
    reply = asked(server, tools=[ADD], tool_choice=choice, stream=True)
    found = gathered(reply)[0]
    assert [(name, json.loads(arguments)) for _, name, arguments in found["calls"]] == [("add", {"a": 1})]
    assert found["reason"] == "tool_calls"
    rows = [row for chunk in reply.chunks for each in chunk["choices"] for row in each["delta"].get("tool_calls", ())]
    assert len(rows) > 3
    assert message_of(asked(server, tools=[ADD], tool_choice=choice))["content"] is None


@pytest.mark.parametrize("most", [2, 18, 22])
def test_a_call_that_must_be_and_is_cut_is_the_same_whole_and_streamed(most: int) -> None:
    over = ScriptedEngine(lambda _: ids('{"a": 1}'), context_window=4096)
    server = Server(chat(over, HERMES_TEMPLATE, calls=HERMES))
    fields: dict[str, Any] = {"tools": [ADD], "tool_choice": "required", "max_tokens": most, "return_token_ids": True}
    found = gathered(asked(server, **fields, stream=True))[0]
    choice = asked(server, **fields).json()["choices"][0]
    assert (found["reason"], choice["finish_reason"]) == ("length", "length")
    assert [(name, arguments) for _, name, arguments in found["calls"]] == calls_of(choice["message"])
    assert (found["content"], found["ids"]) == (choice["message"]["content"], choice["token_ids"])
    assert len(found["ids"]) == most


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"tools": [{"type": "custom", "custom": {"name": "a"}}]}, "tools[0].type", "unsupported_feature"),
        ({"tools": [ADD, {"type": "function"}]}, "tools[1].function", "invalid_value"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", "invalid_value"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name", "invalid_value"),
        ({"tools": [{"function": {"name": "a"}}]}, "tools[0].type", "invalid_value"),
        ({"tools": [{**ADD, "strange": 1}]}, "tools[0].strange", "invalid_value"),
        ({"tools": [ADD, ADD]}, "tools[1]", "invalid_value"),
        ({"tools": [ADD] * 3}, "tools", "invalid_value"),
        ({"tools": "add"}, "tools", "invalid_value"),
        ({"tools": [ADD], "tool_choice": "add"}, "tool_choice", "invalid_value"),
        ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ({"tools": [ADD], "tool_choice": {"type": "function"}}, "tool_choice.function", "invalid_value"),
        ({"tools": [ADD], "tool_choice": {"type": "custom", "custom": {}}}, "tool_choice.type", "unsupported_feature"),
        ({"tools": [ADD], "tool_choice": {"type": "function", "function": {"name": "b"}}}, "tool_choice.function.name",
         "invalid_value"),
        ({"tools": [ADD], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{}]}}},
         "tool_choice.allowed_tools.tools[0]", "invalid_value"),
        ({"tools": [ADD], "parallel_tool_calls": 0}, "parallel_tool_calls", "invalid_value"),
        ({"functions": [{"name": "a"}]}, "functions", "unsupported_feature"),
        ({"function_call": {"name": "a"}}, "function_call", "unsupported_feature"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_place(fields: dict[str, Any], param: str, code: str) -> None:
    reply = asked(calling("hello", max_tools=2), **fields)
    assert (reply.status, reply.error["param"], reply.error["code"]) == (400, param, code)


def test_parameters_that_cannot_be_honoured_are_refused_where_a_call_must_be() -> None:
    odd = {"type": "function", "function": {"name": "odd", "parameters": {"type": "object", "not": {}}}}
    reply = asked(calling("hello"), tools=[ADD, odd], tool_choice="required")
    assert (reply.status, reply.error["param"]) == (400, "tools[1].function.parameters")
    assert "'not'" in reply.error["message"]
    assert asked(calling("hello"), tools=[ADD, odd]).status == 200


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        (json.loads('{"a":' * 70 + "1" + "}" * 70), "tools[0].function.parameters"),
        ({"description": "a" * 70_000}, "tools[0]"),
    ],
)
def test_a_tool_has_its_bounds(parameters: dict[str, Any], param: str) -> None:
    tool = {"type": "function", "function": {"name": "big", "parameters": parameters}}
    reply = asked(calling("hello"), tools=[tool])
    assert (reply.status, reply.error["param"]) == (400, param)


def test_a_model_that_knows_no_tools_says_so() -> None:
    reply = asked(serving(), tools=[ADD])
    assert (reply.status, reply.error["param"], reply.error["code"]) == (400, "tools", "unsupported_feature")
