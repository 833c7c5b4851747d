"""What a turn's events come to, whole and cut short."""

from __future__ import annotations

from duihua.chat.fold import TurnFold
from duihua.events import RoundFinished, TextDelta, ToolCallReady, ToolResult, Usage
from duihua.messages import Message, ToolCall

USAGE = Usage(prompt_tokens=3, completion_tokens=2)
CALLS = (ToolCall("a", "add", "{}"), ToolCall("b", "add", "{}"))
ASKING = RoundFinished(message=Message("assistant", "", tool_calls=CALLS), usage=USAGE)


def test_results_stand_in_the_order_of_their_calls() -> None:
    fold = TurnFold()
    for event in (ASKING, ToolResult(call=CALLS[1], content="2"), ToolResult(call=CALLS[0], content="1")):
        fold.add(event)
    assert [message.content for message in fold.rounds] == ["", "1", "2"]
    assert [message.tool_call_id for message in fold.rounds] == [None, "a", "b"]
    assert [result.content for result in fold.results] == ["1", "2"]


def test_a_call_without_a_result_says_that_it_was_stopped() -> None:
    fold = TurnFold()
    fold.add(ASKING)
    fold.add(ToolResult(call=CALLS[0], content="1"))
    assert fold.rounds[1].content == "1"
    assert "stopped" in fold.rounds[2].content
    assert fold.has_begun


def test_words_before_a_call_stay_with_its_round() -> None:
    fold = TurnFold()
    for event in (TextDelta(text="so"), ToolCallReady(index=0, call=CALLS[0])):
        fold.add(event)
    assert [message.content for message in fold.cut_answer()] == ["so"]
    assert not next(iter(fold.cut_answer())).tool_calls
    fold.add(ASKING)
    assert not fold.answer.has_begun
