from typing import Any

from duihua.chat.conversation import Entry, Outcome
from duihua.events import ReasoningDelta, RoundFinished, TextDelta, ToolCallReady, ToolResult, Usage
from duihua.messages import Message, ToolCall
from duihua.web.rows import rows_of_record, rows_of_turn
from duihua.web.texts import Say
from duihua.web.turn import Turn

SAY = Say("en")


def exchange(user: str, answer: str | None, outcome: Outcome = "complete", *, reasoning: str = "") -> list[Entry]:
    entries = [Entry(Message("user", user), outcome)]
    if answer is not None:
        entries.append(Entry(Message("assistant", answer, reasoning=reasoning), outcome))
    return entries


def told(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(title, or else the role, text) of each row."""
    return [(row.get("metadata", {}).get("title") or row["role"], row["content"][0]["text"]) for row in rows]


def test_answers_and_stopped_ones_are_shown() -> None:
    record = [*exchange("a", "one"), *exchange("b", "tw", "stopped")]
    assert told(rows_of_record(SAY, record)) == [
        ("user", "a"),
        ("assistant", "one"),
        ("user", "b"),
        ("assistant", "tw"),
    ]


def test_a_turn_of_which_nothing_came_is_not_shown() -> None:
    record = [*exchange("a", None, "failed"), *exchange("b", None, "returned"), *exchange("c", "three")]
    assert told(rows_of_record(SAY, record)) == [("user", "c"), ("assistant", "three")]


def test_what_an_error_cut_is_folded() -> None:
    record = [*exchange("a", "on", "failed"), *exchange("a", "one")]
    assert told(rows_of_record(SAY, record)) == [
        ("user", "a"),
        (SAY("failed"), "on"),
        ("user", "a"),
        ("assistant", "one"),
    ]


def test_a_failed_turn_before_a_failed_one_with_an_answer_stays_hidden() -> None:
    record = [*exchange("a", None, "failed"), *exchange("b", "tw", "failed")]
    assert told(rows_of_record(SAY, record)) == [("user", "b"), (SAY("failed"), "tw")]


def test_thinking_comes_folded_before_its_answer() -> None:
    assert told(rows_of_record(SAY, exchange("a", "yes", reasoning="well")))[1:] == [
        ("Thinking", "well"),
        ("assistant", "yes"),
    ]
    assert told(rows_of_record(SAY, exchange("a", "", "stopped", reasoning="well")))[1:] == [("Thinking", "well")]
    assert told(rows_of_record(SAY, exchange("a", "")))[1:] == [("assistant", "")]


def test_a_turn_that_runs_shows_what_there_is() -> None:
    turn = Turn("<a>", float)
    assert told(rows_of_turn(SAY, turn)) == [("user", r"\<a\>"), ("assistant", "…")]
    turn.take(ReasoningDelta(text="well"))
    thinking = rows_of_turn(SAY, turn)[1:]
    assert told(thinking) == [("Thinking", "well")]
    assert thinking[0]["metadata"]["status"] == "pending"
    turn.take(TextDelta(text="<b>"))
    rows = rows_of_turn(SAY, turn)[1:]
    assert told(rows) == [("Thinking", "well"), ("assistant", "&lt;b>")]
    assert rows[0]["metadata"]["status"] == "done"


CALL = ToolCall("call_1", "add", '{"a": "<b>"}')
CALLING = Message("assistant", "", tool_calls=(CALL,))


def test_a_call_and_its_result_are_folded() -> None:
    said = [Message("user", "a"), CALLING, Message("tool", "<i>2", tool_call_id="call_1"), Message("assistant", "two")]
    rows = rows_of_record(SAY, [Entry(message) for message in said])
    assert [title for title, _ in told(rows)] == ["user", "Tool: add", "assistant"]
    text = told(rows)[1][1]
    assert "2" in text
    assert "<b>" not in text.replace("\\<", "")
    assert "<i>" not in text.replace("\\<", "")


def test_a_name_that_is_none_does_not_stand_in_a_title() -> None:
    wild = ToolCall("call_1", "<img src=x>", "{}")
    said = [Message("assistant", "", tool_calls=(wild,)), Message("tool", "no", tool_call_id="call_1")]
    assert told(rows_of_record(SAY, [Entry(message) for message in said]))[0][0] == "Tool: ?"


def test_a_tool_that_runs_is_shown_before_its_result_is_there() -> None:
    usage = Usage(prompt_tokens=1, completion_tokens=1)
    turn = Turn("a", float)
    turn.take(ReasoningDelta(text="hm"))
    turn.take(ToolCallReady(index=0, call=CALL))
    thinking = Message("assistant", "", reasoning="hm", tool_calls=(CALL,))
    turn.take(RoundFinished(message=thinking, usage=usage))
    rows = rows_of_turn(SAY, turn)
    assert [title for title, _ in told(rows)] == ["user", "Thinking", "Tool: add", "assistant"]
    assert rows[2]["metadata"]["status"] == "pending"
    turn.take(ToolResult(call=CALL, content="2"))
    turn.take(TextDelta(text="two"))
    rows = rows_of_turn(SAY, turn)
    assert rows[2]["metadata"]["status"] == "done"
    assert told(rows)[2][1].endswith("2")
    assert told(rows)[3] == ("assistant", "two")
