from __future__ import annotations

from typing import Any

import pytest

from duihua.api.history import extended, read_history
from duihua.errors import InvalidMessages
from duihua.image import Image
from duihua.messages import Message, ToolCall

ASK, ANSWER = Message("user", "a"), Message("assistant", "b")
CAT = Image(b"cat", 4, 3)


def read(source: object) -> Image:
    raise AssertionError(source)  # an Image is not read again


def test_pairs_mappings_and_messages_are_the_same_history() -> None:
    assert read_history([("a", "b")]) == read_history([["a", "b"]]) == [ASK, ANSWER]
    assert read_history([{"role": "user", "content": "a"}, ANSWER]) == [ASK, ANSWER]
    assert read_history(None) == []


def test_the_user_s_side_of_a_pair_may_hold_pictures() -> None:
    shown = Message.of("user", ["a", CAT])
    pairs: list[Any] = [(["a", CAT], "b"), [("a", CAT), "b"], {"role": "user", "content": ["a", CAT]}]
    assert read_history(pairs, read_image=read) == [shown, ANSWER, shown, ANSWER, shown]
    assert read_history([(["a", "a"], "b")]) == [Message("user", "aa"), ANSWER]


def test_pairs_become_messages_once_their_pictures_were_read() -> None:
    shown, ask, answer = Message.of("user", ["a", CAT]), Message("user", "c"), Message("assistant", "d")
    given = [(["a", CAT], "b")]
    assert extended(given, [shown, ANSWER], [ask], [answer]) == [shown, ANSWER, ask, answer]


def test_an_answer_holds_no_pictures() -> None:
    with pytest.raises(InvalidMessages, match=r"messages\[0\].content\[1\] is a Image: .* in a user's message"):
        read_history([{"role": "assistant", "content": ["a", CAT]}], read_image=read)
    with pytest.raises(InvalidMessages, match="history item 0"):
        read_history([("a", ["b", CAT])], read_image=read)  # pyright: ignore[reportArgumentType]


def test_a_refused_item_is_shown_in_short() -> None:
    with pytest.raises(InvalidMessages) as caught:
        read_history([(b"x" * 100_000, "a")])  # pyright: ignore[reportArgumentType]
    assert len(str(caught.value)) < 300


def test_a_system_prompt_replaces_a_leading_one() -> None:
    history = [Message("system", "old"), ASK, ANSWER]
    assert read_history(history, system="new") == [Message("system", "new"), ASK, ANSWER]
    assert read_history(history, system="") == [ASK, ANSWER]
    assert read_history(history) == history


def test_a_history_grows_in_the_form_it_came_in() -> None:
    ask, answer = Message("user", "c"), Message("assistant", "d")
    assert extended([("a", "b")], [ASK, ANSWER], [ask], [answer]) == [("a", "b"), ("c", "d")]
    assert extended([ASK, ANSWER], [ASK, ANSWER], [ask], [answer]) == [ASK, ANSWER, ask, answer]
    assert extended(None, [], [ask], [answer]) == [ask, answer]
    assert extended([ASK], [ASK], [], [answer]) == [ASK, answer]


def test_pairs_become_messages_where_there_are_calls() -> None:
    ask = Message("user", "c")
    calls = Message("assistant", "", tool_calls=(ToolCall("call_1", "add", "{}"),))
    assert extended([("a", "b")], [ASK, ANSWER], [ask], [calls]) == [ASK, ANSWER, ask, calls]


@pytest.mark.parametrize("item", ["a", ("a",), ("a", "b", "c"), ("a", 1), 5, None])
def test_anything_else_is_refused_with_its_place(item: object) -> None:
    with pytest.raises(InvalidMessages, match="history item 1"):
        read_history([ASK, item])  # type: ignore[list-item]
