"""What a body asks: everything in it reaches the engine, or is refused by name."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from chat.talk import chat, engine, ids
from duihua.sampling import Sampling
from duihua.server.ask import read_ask
from duihua.server.settings import ServeSettings
from prompt import traits
from server.asgi import CHAT, HELLO, Server, ask, asked, serving

KIND = traits.CHATML.replace("{{ m.content }}", "{{ m.content }}{% if kind %} {{ kind }}{% endif %}")


def raw(fields: str) -> bytes:
    return b'{"messages": [{"role": "user", "content": "hello"}], ' + fields.encode() + b"}"


@pytest.mark.parametrize(
    ("name", "value", "arrives"),
    [
        ("temperature", 0.25, ("temperature", 0.25)),
        ("temperature", 1, ("temperature", 1.0)),
        ("top_p", 0.5, ("top_p", 0.5)),
        ("top_k", 7, ("top_k", 7)),
        ("min_p", 0.125, ("min_p", 0.125)),
        ("frequency_penalty", -1.5, ("frequency_penalty", -1.5)),
        ("presence_penalty", 1.5, ("presence_penalty", 1.5)),
        ("repetition_penalty", 1.25, ("repetition_penalty", 1.25)),
        ("logit_bias", {"5": -100, "6": 0.5}, ("logit_bias", ((5, -100), (6, 0.5)))),
        ("seed", -(2**63), ("seed", -(2**63))),
        ("seed", 2**64 - 1, ("seed", 2**64 - 1)),
        ("max_tokens", 3, ("max_tokens", 3)),
        ("max_completion_tokens", 3, ("max_tokens", 3)),
        ("min_tokens", 2, ("min_tokens", 2)),
        ("stop_token_ids", [9], ("stop_token_ids", (*ids("<|im_end|>"), 9))),
        ("ignore_eos", True, ("stop_token_ids", ())),
        ("logprobs", True, ("logprobs", 0)),
        ("prompt_logprobs", 2, ("prompt_logprobs", 2)),
    ],
)
def test_sampling_reaches_the_engine(name: str, value: Any, arrives: tuple[str, object]) -> None:
    over = engine("hello<|im_end|>")
    fields = {name: value} if name.startswith("max_") else {name: value, "max_tokens": 8}
    assert asked(Server(chat(over)), **fields).status == 200
    assert getattr(over.requests[0].decoding, arrives[0]) == arrives[1]


def test_fields_beyond_sampling_reach_the_engine() -> None:
    over = engine("hello")
    assert asked(Server(chat(over)), cache_salt="mine", priority=-3).status == 200
    assert (over.requests[0].cache_salt, over.requests[0].priority) == ("mine", -3)


def test_what_is_not_said_is_as_the_server_s_flags_say() -> None:
    body = json.dumps({"messages": HELLO, "top_p": 0.5}).encode()
    found = read_ask(body, chat(engine("a")), ServeSettings(), Sampling(temperature=0.125, top_p=0.75)).sampling
    assert (found.temperature, found.top_p) == (0.125, 0.5)


@pytest.mark.parametrize(("stop", "shown"), [("two", "one "), (["x", "three"], "one two "), ("e", "on")])
def test_stop_strings_end_the_answer(stop: object, shown: str) -> None:
    assert asked(serving("one two three"), stop=stop).text == shown
    assert asked(serving("one two three"), stop=stop, stream=True).text == shown


def test_a_stop_string_may_be_kept() -> None:
    assert asked(serving("one two three"), stop="two", include_stop_str_in_output=True).text == "one two"


def test_special_tokens_are_left_out_unless_they_are_asked_for() -> None:
    assert asked(serving("a[gMASK]b")).text == "ab"
    assert asked(serving("a[gMASK]b"), skip_special_tokens=False).text == "a[gMASK]b"
    spaced = {"skip_special_tokens": False, "spaces_between_special_tokens": True}
    assert asked(serving("a[gMASK]<sop>b"), **spaced).text == "a[gMASK] <sop>b"


def test_both_names_of_the_limit_may_say_the_same_but_not_two_things() -> None:
    assert asked(serving(), max_tokens=5, max_completion_tokens=5).status == 200
    reply = asked(serving(), max_tokens=5, max_completion_tokens=6)
    assert (reply.status, reply.error["param"]) == (400, "max_tokens")


def test_variables_reach_the_template() -> None:
    over = engine("hello", "hello")
    server = Server(chat(over, KIND))
    asked(server)
    asked(server, chat_template_kwargs={"kind": "today"})
    assert over.requests[1].token_ids != over.requests[0].token_ids


def test_the_prompt_may_end_with_its_last_message() -> None:
    over = engine("hello")
    assert asked(Server(chat(over)), add_generation_prompt=False).status == 200
    assert over.requests[0].token_ids == tuple(ids("<|im_start|>user\nhello<|im_end|>\n"))


def test_an_answer_may_be_gone_on_with() -> None:
    over = engine(" world")
    begun = (*HELLO, {"role": "assistant", "content": "hello"})
    reply = asked(Server(chat(over)), begun, continue_final_message=True)
    assert reply.text == " world"
    assert over.requests[0].token_ids[-5:] == (*ids("assistant\n"), *ids("hello"))[-5:]


def test_an_answer_that_was_not_begun_cannot_be_gone_on_with() -> None:
    reply = asked(serving(), continue_final_message=True)
    assert (reply.status, reply.error["param"]) == (400, "messages[0]")


# What is no request


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", "0.5"),
        ("temperature", True),
        ("temperature", -1),
        ("top_p", 0),
        ("top_p", 1.5),
        ("top_k", 1.5),
        ("top_k", 2**63),
        ("priority", 2**63),
        ("seed", 2**64),
        ("n", 0),
        ("n", "1"),
        ("max_tokens", 0),
        ("max_tokens", -1),
        ("stop", 5),
        ("stop", [5]),
        ("stop", ""),
        ("stop", ["a", ""]),
        ("stop", ["a", "x" * 1025]),
        ("duihua", {"max_exchanges": 0}),
        ("duihua", {"window": "keep"}),
        ("stop_token_ids", [-1]),
        ("stop_token_ids", [10**9]),
        ("logit_bias", {"x": 1}),
        ("logit_bias", {"1.5": 1}),
        ("logit_bias", {"+5": 1}),
        ("logit_bias", {" 5": 1}),
        ("logit_bias", {"1_0": 1}),
        ("logit_bias", {"５": 1}),
        ("logit_bias", {"": 1}),
        ("logit_bias", {"5": 1, "05": 2}),
        ("logit_bias", {"1": 101}),
        ("logit_bias", {"1": "1"}),
        ("logit_bias", [1]),
        ("logprobs", 5),
        ("stream", "true"),
        ("stream_options", []),
        ("best_of", 0),
        ("frequency_penalty", 3),
        ("cache_salt", "x" * 129),
        ("truncate_prompt_tokens", 0),
        ("truncate_prompt_tokens", -2),
        ("chat_template_kwargs", {"strftime_now": 1}),
        ("chat_template_kwargs", {"messages": []}),
        ("model", 5),
    ],
)
def test_a_wrong_value_is_refused_under_its_name(name: str, value: Any) -> None:
    reply = asked(serving(), **{name: value})
    assert reply.status == 400
    assert re.match(rf"{name}(?:\W|$)", reply.error["param"])
    assert reply.error["code"] == "invalid_value"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"top_logprobs": -1, "logprobs": True}, "top_logprobs=-1 is not possible: this server takes 0 to 20"),
        ({"prompt_logprobs": -1}, "prompt_logprobs=-1 is not possible: this server takes 0 to 20"),
        ({"n": 0}, "n=0 is not possible: this server takes 1 to 16"),
        ({"best_of": 17}, "best_of=17 is not possible: this server takes 1 to 16"),
        ({"stop": ["a"] * 17}, "stop: this server takes 16 at most, and there are 17"),
        ({"stop": "a" * 1025}, "stop: one is too long: give 1024 characters at most"),
        ({"logit_bias": {"x": 1}}, "logit_bias: its keys have to be token ids, in decimal digits"),
        ({"logit_bias": {"5": 1, "05": 1}}, "logit_bias: token 5 stands there twice"),
        ({"stream_options": {}}, "stream_options: it needs stream=true"),
        ({"chat_template_kwargs": {"tools": 1}}, "chat_template_kwargs: the server sets 'tools' itself: leave it out"),
        ({"messages": [{"role": "user"}]}, "messages[0].content: it is missing: give a text"),
    ],
)
def test_a_refusal_says_what_is_expected(fields: dict[str, Any], message: str) -> None:
    assert asked(serving(), **fields).error["message"] == message


@pytest.mark.parametrize(
    "fields",
    ['"temperature": NaN', '"temperature": Infinity', '"temperature": 1e999', f'"seed": 1{"0" * 5000}', '"n": 1.5',
     f'"metadata": {"[" * 100_000}', '"user": "\\ud83d"', '"user": "\udcff"', '"n": 1,}', '"n"'],
)  # fmt: skip
def test_what_is_no_json_or_no_number_is_refused(fields: str) -> None:
    body = b'{"messages": [], ' + fields.encode("utf-8", "surrogateescape") + b"}"
    reply = ask(serving(), "POST", CHAT, body)
    assert reply.status == 400
    assert reply.error["code"] in ("invalid_json", "invalid_value")


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"5", b'"hello"', b"\x00", b"{", b"hello"])
def test_a_body_has_to_be_an_object(body: bytes) -> None:
    assert ask(serving(), "POST", CHAT, body).status == 400


def test_half_a_character_is_called_by_its_name() -> None:
    for text in ("\\ud83d", "\\ude00", "a\\ud83d\\ud83d\\ude00"):
        assert "half a character" in ask(serving(), "POST", CHAT, raw(f'"user": "{text}"')).error["message"]
    assert ask(serving(), "POST", CHAT, raw('"user": "\\ud83d\\ude00 \\\\ud83d"')).status == 200


@pytest.mark.parametrize("depth", [65, 480, 600, 950, 5000])
def test_a_variable_that_nests_deeply_is_refused(depth: int) -> None:
    nested = f'"chat_template_kwargs": {{"a": {"[" * depth}{"]" * depth}}}'
    reply = ask(serving(), "POST", CHAT, raw(nested))
    assert reply.status == 400
    assert "nests" in reply.error["message"]


def test_an_unknown_field_is_refused_with_the_nearest_name() -> None:
    error = asked(serving(), max_token=5).error
    assert (error["param"], error["code"]) == ("max_token", "invalid_value")
    assert "did you mean 'max_tokens'?" in error["message"]
    assert "leave it out" in asked(serving(), entirely_different=5).error["message"]
    for inner in ({"stream": True, "stream_options": {"strange": 1}}, {"duihua": {"strange": 1}}):
        assert asked(serving(), **inner).error["param"] == f"{list(inner)[-1]}.strange"


@pytest.mark.parametrize(
    "fields",
    [{"x" * 200_000: 1}, {"model": "x" * 200_000}, {"stop": ["x" * 200_000, ""]}, {"a` - at `$.b": 1}, {"": 1},
     {"logit_bias": {"9" * 200_000: 1}}],
)  # fmt: skip
def test_an_error_does_not_say_a_long_text_again(fields: dict[str, Any]) -> None:
    reply = asked(serving(), **fields)
    assert reply.status in (400, 404)
    assert reply.error["param"] is not None
    assert len(reply.body) < 4000


# A lenient server


def test_a_lenient_server_leaves_unknown_fields_out_and_says_so() -> None:
    reply = asked(serving(lenient=True), strange=1, other=[2], temperature=0)
    assert (reply.status, reply.headers["x-duihua-ignored"]) == (200, "strange, other")
    streamed = asked(serving(lenient=True), strange=1, stream=True)
    assert streamed.headers["x-duihua-ignored"] == "strange"
    assert "x-duihua-ignored" not in asked(serving(lenient=True)).headers


@pytest.mark.parametrize("name", ["a\r\nset-cookie: b", "你好", "\x00", "x" * 5000])
def test_an_ignored_name_cannot_become_a_header(name: str) -> None:
    reply = asked(serving(lenient=True), **{name: 1})
    assert reply.status == 200
    assert "set-cookie" not in reply.headers
    assert reply.headers["x-duihua-ignored"].isprintable()


@pytest.mark.parametrize(
    "body", ['{"strange": 1, "messages": [}', f'{{"strange": 1, "messages": {"[" * 100_000}', '{"strange": 1']
)
def test_a_lenient_server_still_wants_json(body: str) -> None:
    reply = ask(serving(lenient=True), "POST", CHAT, body.encode())
    assert (reply.status, reply.error["code"]) == (400, "invalid_json")


def test_a_lenient_server_is_strict_about_what_it_knows() -> None:
    assert asked(serving(lenient=True), strange=1, temperature="warm").error["param"] == "temperature"
    assert asked(serving(lenient=True), strange=1, tools=[{}]).error["param"] == "tools[0].type"
    inner = asked(serving(lenient=True), [{"role": "user", "content": 5, "strange": 1}], other=1)
    assert inner.error["param"] == "messages[0].content"


# Bounds and names


@pytest.mark.parametrize(
    ("name", "fits", "passes"),
    [
        ("n", 2, 3),
        ("best_of", 2, 3),
        ("stop", ["x"] * 3, ["x"] * 4),
        ("top_logprobs", 5, 6),
        ("prompt_logprobs", 5, 6),
    ],
)
def test_a_server_s_bounds_are_kept(name: str, fits: Any, passes: Any) -> None:
    bounds: dict[str, Any] = {"max_choices": 2, "max_stop": 3, "max_logprobs": 5}
    assert asked(serving(**bounds), **{name: fits, "logprobs": True}).status == 200
    refused = asked(serving(**bounds), **{name: passes, "logprobs": True})
    assert (refused.status, refused.error["param"]) == (400, name)


def test_a_conversation_has_at_most_so_many_messages() -> None:
    assert asked(serving(max_messages=3), HELLO * 3).status == 200
    assert asked(serving(max_messages=3), HELLO * 4).error["param"] == "messages"


def test_fields_that_need_another_say_which() -> None:
    assert asked(serving(), top_logprobs=2).error["param"] == "top_logprobs"
    assert asked(serving(), prompt_logprobs=2, stream=True).error["param"] == "prompt_logprobs"


def test_the_model_goes_by_its_name_or_by_none() -> None:
    for server, name in ((serving(), "scripted"), (serving(served_name="gpt-4o"), "gpt-4o")):
        assert asked(server).json()["model"] == name
        assert asked(server, model=name).json()["model"] == name
        assert asked(server, model=name, stream=True).chunks[0]["model"] == name
        reply = asked(server, model="strange")
        assert (reply.status, reply.error["code"], reply.error["param"]) == (404, "model_not_found", "model")
        assert reply.error["message"] == f"The model `strange` does not exist. There are: {name}."
    assert asked(serving(served_name="gpt-4o"), model="scripted").status == 404
