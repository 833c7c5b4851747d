"""Which tokens stand in `logprobs.content`: those that the content is made of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.talk import chat, engine, ids
from duihua.events import Finished, ReasoningDelta, TextDelta, TokenLogprobs, Usage
from duihua.server.logprobs import ContentTokens
from prompt import traits
from server.asgi import Server, asked, serving

OWING = traits.CHATML.replace("<|im_start|>assistant\n", "<|im_start|>assistant")
THINKS = "<think>\nhm, hm\n</think>\n\nyes, yes"


def told(server: Server, **fields: Any) -> tuple[str, list[dict[str, Any]]]:
    """The content, and its rows."""
    (choice,) = asked(server, logprobs=True, **fields).json()["choices"]
    return choice["message"]["content"], choice["logprobs"]["content"]


def streamed(server: Server, **fields: Any) -> tuple[str, list[dict[str, Any]]]:
    """The same of a stream."""
    reply = asked(server, logprobs=True, stream=True, **fields)
    rows = [row["logprobs"] for chunk in reply.chunks for row in chunk["choices"]]
    return reply.text, [token for row in rows if row is not None for token in row["content"]]


def joined(rows: list[dict[str, Any]]) -> bytes:
    return bytes(byte for row in rows for byte in row["bytes"])


@pytest.mark.parametrize(
    "answer", ["hello world", "你好，🙂 今天天气不错", "", THINKS, "<think>\nhm", "a[gMASK]b", "\n\na"]
)
@pytest.mark.parametrize("fields", [{}, {"skip_special_tokens": False}])
def test_the_rows_make_up_the_content(answer: str, fields: dict[str, Any]) -> None:
    content, rows = told(serving(answer), **fields)
    assert joined(rows).decode() == content
    assert streamed(serving(answer), **fields) == (content, rows)


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(st.sampled_from("ab你🙂 \n"), max_size=16),
    stop=st.lists(st.text(st.sampled_from("ab你 "), min_size=1, max_size=4), max_size=3),
)
def test_with_stop_strings_only_the_last_row_may_go_beyond_the_content(text: str, stop: list[str]) -> None:
    content, rows = told(serving(text), stop=stop)
    assert joined(rows).startswith(content.encode())
    assert len(joined(rows[:-1])) <= len(content.encode())
    assert streamed(serving(text), stop=stop) == (content, rows)


def test_a_stop_token_is_a_row_only_where_it_shows() -> None:
    assert [row["token"] for row in told(serving("hello"))[1]] == ["hello"]
    (world,) = ids(" world")
    assert "world" not in joined(told(serving("hello world"), stop_token_ids=[world])[1]).decode()


def test_what_the_template_owes_is_no_row() -> None:
    server = Server(chat(engine("\nhello"), OWING))
    content, rows = told(server)
    assert joined(rows).decode() == content


def test_a_cut_character_is_told_as_it_came() -> None:
    content, rows = told(serving("🙂"), max_tokens=1)
    assert content == "\ufffd"
    assert len(rows) == 1


class _Speller:
    """As much of a chat as is needed: what each token is."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = tokens

    def token_bytes(self, token_id: int) -> bytes:
        return self._tokens[token_id].encode()


def rows_of(tokens: tuple[str, ...], *events: tuple[str, str, str]) -> str:
    """The tokens that are told; an event is its kind, its text and the places of its tokens."""
    finder = ContentTokens(_Speller(*tokens))  # pyright: ignore[reportArgumentType]
    usage = Usage(prompt_tokens=1, completion_tokens=1)
    told: list[str] = []
    for kind, text, places in events:
        logprobs = tuple(TokenLogprobs(int(place), -1.0) for place in places)
        if kind == "end":
            event = Finished(reason="stop", usage=usage, logprobs=logprobs)
        else:
            event = (TextDelta if kind == "text" else ReasoningDelta)(text=text, logprobs=logprobs)
        told += [tokens[entry.token_id] for entry in finder.take(event)]
    return "|".join(told)


@pytest.mark.parametrize(
    ("tokens", "events", "expected"),
    [
        (("a", "b", "b", "c"), (("text", "a", "0"), ("text", "b", "12"), ("text", "bc", "3")), "a|b|b|c"),  # b is held
        (("\n\n", "Hi"), (("text", "\n", "0"), ("text", "Hi", "1")), "\n\n|Hi"),  # one line break of two is owed
        (("\n", "Hi", "<end>"), (("text", "Hi", "01"), ("end", "", "2")), "Hi"),
        (("<think>", "hm", ".\n\n", "</think>", "\n\n", "yes"),
         (("think", "hm", "01"), ("think", ".", "2"), ("text", "yes", "345")), "yes"),
        ((" hello", " world"), (("text", "hello", "0"), ("text", " world", "1")), " hello| world"),
        (("one", " two"), (("text", "one", "0"), ("text", " ", "1"), ("end", "", "")), "one| two"),
        (("x", "y"), (("text", "other", "01"), ("end", "", "")), "x|y"),  # told as they came
    ],
)  # fmt: skip
def test_tokens_are_found_however_they_came(
    tokens: tuple[str, ...], events: tuple[tuple[str, str, str], ...], expected: str
) -> None:
    assert rows_of(tokens, *events) == expected
