"""What is remembered has bounds."""

from __future__ import annotations

from duihua.messages import Message, ToolCall
from duihua.prompt.memo import Memo, characters_of


def test_what_was_kept_is_there_until_it_gets_too_much() -> None:
    memo = Memo[str, int](count=3)
    for number, key in enumerate("abc"):
        memo.keep(key, number)
    assert memo == {"a": 0, "b": 1, "c": 2}
    memo.keep("d", 3)
    assert memo == {"d": 3}


def test_characters_are_bounded_too_and_a_very_long_text_is_not_kept() -> None:
    memo = Memo[str, None](count=100, characters=160)
    for number in range(16):
        memo.keep(str(number), None, 10)
    assert len(memo) == 16
    memo.keep("huge", None, 11)
    assert len(memo) == 16
    assert "huge" not in memo
    memo.keep("next", None, 10)
    assert list(memo) == ["next"]


def test_all_that_a_message_says_has_its_weight() -> None:
    call = ToolCall("c", "look", '{"at": "sky"}')
    assert characters_of(Message("user", "hello")) == 5
    assert characters_of(Message("assistant", "hi", reasoning="hm", tool_calls=(call,))) == 2 + 2 + 4 + 13
