"""/tokenize and /detokenize."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chat.talk import chat, engine, ids
from chat.test_schemas import HERMES_TEMPLATE
from duihua.parsing.hermes import HERMES
from prompt import traits
from server.asgi import HELLO, Reply, Server, ask, asked, serving
from server.test_functions import ADD
from server.test_pictures import content, seeing_server, url_of

TALK = [{"role": "system", "content": "Be kind."}, *HELLO, {"role": "assistant", "content": "hi"}, *HELLO]


def tokenize(server: Server, **fields: Any) -> Any:
    return ask(server, "POST", "/tokenize", fields)


def test_a_conversation_is_counted_exactly_as_a_turn_of_it() -> None:
    kinds: list[dict[str, Any]] = [
        {}, {"add_generation_prompt": False}, {"continue_final_message": True, "messages": TALK[:-1]}
    ]  # fmt: skip
    for fields in kinds:
        over = engine("hello")
        server = Server(chat(over))
        found = tokenize(server, **{"messages": TALK} | fields).json()
        told = asked(server, **{"messages": TALK} | fields).json()["usage"]["prompt_tokens"]
        assert found["tokens"] == list(over.requests[0].token_ids)
        assert found["count"] == len(found["tokens"]) == told
        assert found["max_model_len"] == 4096


def test_variables_of_the_template_count() -> None:
    server = serving("hello", template=traits.CHATML + "{{ kind }}")
    plain, more = (
        tokenize(server, messages=TALK, chat_template_kwargs=kind).json() for kind in ({}, {"kind": "today"})
    )
    assert plain["count"] < more["count"]


def test_tools_count_as_in_a_turn() -> None:
    over = engine("hello")
    server = Server(chat(over, HERMES_TEMPLATE, calls=HERMES))
    found = tokenize(server, messages=TALK, tools=[ADD]).json()["tokens"]
    asked(server, TALK, tools=[ADD])
    assert found == list(over.requests[0].token_ids)
    assert tokenize(server, prompt="a", tools=[ADD]).error["param"] == "tools"
    assert tokenize(serving(), messages=TALK, tools=[ADD]).error["param"] == "tools"


def test_raw_text_may_hold_control_tokens_and_messages_may_not() -> None:
    raw = tokenize(serving(), prompt="<|user|>hello").json()["tokens"]
    assert raw == ids("<|user|>hello")
    found = tokenize(serving(), messages=[{"role": "user", "content": "<|user|>hello"}]).json()["tokens"]
    assert ids("<|user|>")[0] not in found


def test_a_text_and_its_tokens_are_the_same() -> None:
    for text in ("", "hello", "你好，🙂", "<|user|>a\n"):
        found = tokenize(serving(), prompt=text, return_token_strs=True).json()
        assert found["count"] == len(found["tokens"]) == len(found["token_strs"])
        assert ask(serving(), "POST", "/detokenize", {"tokens": found["tokens"]}).json() == {"prompt": text}
    assert tokenize(serving(), prompt="hello").json()["token_strs"] is None
    assert "".join(tokenize(serving(), prompt="hello you", return_token_strs=True).json()["token_strs"]) == "hello you"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "prompt"),
        ({"prompt": "a", "messages": TALK}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": "a", "add_special_tokens": True}, "add_special_tokens"),
        ({"messages": TALK, "add_special_tokens": True}, "add_special_tokens"),
        ({"prompt": "a", "add_generation_prompt": True}, "add_generation_prompt"),
        ({"prompt": "a", "continue_final_message": True}, "continue_final_message"),
        ({"prompt": "a", "chat_template_kwargs": {"a": 1}}, "chat_template_kwargs"),
        ({"messages": TALK, "chat_template_kwargs": {"messages": 1}}, "chat_template_kwargs"),
        ({"messages": TALK, "continue_final_message": True}, f"messages[{len(TALK) - 1}]"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "strange"}]}, "messages[0]"),
        ({"messages": TALK * 3}, "messages"),
        ({"prompt": "a", "strange": 1}, "strange"),
        ({"prompt": "a", "model": "strange"}, "model"),
        ({"prompt": "a" * (2**20 + 1)}, "prompt"),
        ({"messages": [{"role": "user", "content": "a" * (2**20 + 1)}]}, "messages"),
    ],
)
def test_what_cannot_be_tokenized_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    reply = tokenize(serving(max_messages=10), **fields)
    assert (reply.status, reply.error["param"]) == (404 if param == "model" else 400, param)


def test_a_refusal_says_what_is_expected() -> None:
    assert tokenize(serving()).error["message"] == "prompt: give either prompt or messages"
    refused = tokenize(serving(), prompt="a", add_generation_prompt=True).error["message"]
    assert refused == "add_generation_prompt: it belongs to messages: a raw prompt is rendered by no template"


def test_a_conversation_that_outgrew_the_window_is_counted_all_the_same() -> None:
    assert tokenize(serving("hello", size=16), messages=TALK).json()["count"] > 16


def test_pictures_are_counted_as_a_turn_counts_them_and_their_tokens_are_listed() -> None:
    over = engine("red", max_images=2)
    server = seeing_server(over)
    messages = content(url_of(20, 10), url_of(8, 6, "blue"))

    async def both() -> tuple[Reply, Reply]:
        fields = {"messages": messages, "return_token_strs": True}
        return await server.fetch("POST", "/tokenize", fields), await server.chat(messages)

    found, told = (reply.json() for reply in asyncio.run(both()))
    assert found["count"] == len(found["tokens"]) == told["usage"]["prompt_tokens"]
    picture = ids("<|image_pad|>")[0]
    given = over.requests[0].token_ids
    assert [token for token in found["tokens"] if token != picture] == [token for token in given if token != picture]
    assert found["tokens"].count(picture) == found["token_strs"].count("<|image_pad|>") == 20 + 10 + 8 + 6


def test_pictures_that_cannot_be_taken_are_refused_as_in_a_turn() -> None:
    seeing = seeing_server(engine("red", max_images=1))
    broken = tokenize(seeing, messages=content("data:image/png;base64,AAAA"))
    assert (broken.status, broken.error["code"], broken.error["why"]) == (400, "invalid_image", "kind")
    fetched = tokenize(seeing, messages=content("https://example.org/a.png"))
    assert (fetched.status, fetched.error["code"]) == (400, "unsupported_feature")
    blind = tokenize(serving(), messages=content(url_of()))
    assert (blind.status, blind.error["param"]) == (400, "messages[0].content[0]")


def test_more_pictures_than_a_turn_may_have_are_counted_all_the_same() -> None:
    one, both = (
        tokenize(seeing_server(engine("red", max_images=1)), messages=content(*urls)).json()["count"]
        for urls in ([url_of(20, 10)], [url_of(20, 10), url_of(8, 6)])
    )
    assert both > one + 8 + 6


@pytest.mark.parametrize("tokens", [[-1], [100_000], [2**64], ["5"], [1.5], None, "5", [True]])
def test_what_is_no_token_is_refused(tokens: object) -> None:
    reply = ask(serving(), "POST", "/detokenize", {"tokens": tokens})
    assert reply.status == 400
    assert reply.error["param"].startswith("tokens")


def test_ids_that_are_no_token_read_as_nothing() -> None:
    """A model's matrix may have more rows than its tokenizer has tokens."""
    assert ask(serving(), "POST", "/detokenize", {"tokens": [99_999]}).json() == {"prompt": ""}


def test_a_lack_of_tokens_is_refused() -> None:
    reply = ask(serving(), "POST", "/detokenize", {})
    assert (reply.status, reply.error["param"]) == (400, "tokens")


def test_a_long_text_is_tokenized_to_its_end() -> None:
    text = "the weather is nice today, 你好🙂" * 4000
    found = tokenize(serving(), prompt=text, return_token_strs=True).json()
    assert found["tokens"] == ids(text)
    assert found["count"] == len(found["token_strs"]) == len(found["tokens"]) > 10_000
    assert ask(serving(), "POST", "/detokenize", {"tokens": found["tokens"]}).json() == {"prompt": text}
    found = tokenize(serving(), messages=[{"role": "user", "content": text}]).json()
    assert set(ids(text)) < set(found["tokens"])
    assert found["count"] > len(ids(text))
    assert found["token_strs"] is None


def test_what_nobody_waits_for_any_more_is_not_answered() -> None:
    async def leave() -> None:
        server = serving()
        async with server.call(
            "POST", "/tokenize", {"prompt": ("the weather is nice today, " * 40_000)[: 2**20]}
        ) as call:
            call.leave()
            reply = await call.ended()
        assert (reply.status, reply.body) == (0, b"")

    asyncio.run(leave())
