import asyncio
import io
import itertools
from collections.abc import AsyncGenerator

import pytest

from chat.talk import Turnstile, chat, engine
from duihua.chat.conversation import Conversation
from duihua.errors import GenerationFailed
from duihua.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    RoundFinished,
    TextDelta,
    ToolCallReady,
    ToolResult,
    TurnFinished,
    TurnStarted,
    Usage,
    WindowReport,
)
from duihua.image import Image
from duihua.messages import Message, ToolCall
from duihua.sampling import Sampling
from duihua.terminal.output import Output, screen_of
from duihua.terminal.texts import Say
from duihua.terminal.turn import Narrator


def streams(*, color: bool = False) -> tuple[Output, io.StringIO, io.StringIO]:
    answers, notes = io.StringIO(), io.StringIO()
    return Output(screen_of(answers, color=False), screen_of(notes, color=color)), answers, notes


def test_a_turn_is_shown_and_told_about() -> None:
    output, answers, notes = streams()
    seconds = itertools.count()
    narrator = Narrator(output, Say("en"), clock=lambda: float(next(seconds)))
    asyncio.run(narrator.show(Conversation(chat(engine("one two"))).send("hi")))
    assert answers.getvalue() == "one two\n"
    told = notes.getvalue()
    assert told.count("\n") == 1
    assert "first token 1.00 s" in told


def test_the_cure_for_a_cut_answer_is_the_caller_s() -> None:
    output, _, notes = streams()
    conversation = Conversation(chat(engine("one two three four")), sampling=Sampling(max_tokens=2))
    narrator = Narrator(output, Say("en"), cure="ask for more")
    asyncio.run(narrator.show(conversation.send("hi"), max_tokens=2))
    assert notes.getvalue().splitlines()[0] == "the answer was cut at max_tokens 2: ask for more"


def test_what_was_dropped_is_told_before_the_answer_and_once() -> None:
    output, _, notes = streams()
    conversation = Conversation(chat(engine(*["ok"] * 6, size=120)))
    narrator = Narrator(output, Say("en"))

    async def talk() -> None:
        for number in range(6):
            await narrator.show(conversation.send(f"message {number}, long enough to fill a small window"))

    asyncio.run(talk())
    lines = notes.getvalue().splitlines()
    dropped = [index for index, line in enumerate(lines) if line.startswith("dropped")]
    assert 1 <= len(dropped) < 6
    assert all("first token" in lines[index + 1] for index in dropped)


def test_thinking_goes_to_the_notes_with_words_around_it() -> None:
    output, answers, notes = streams()
    model = chat(engine("<think>let me see</think>yes"), reasoning=("<think>", "</think>"))
    asyncio.run(Narrator(output, Say("en")).show(Conversation(model).send("hi")))
    assert answers.getvalue() == "yes\n"
    assert notes.getvalue().startswith("thinking:\nlet me see\nanswer:\n")


def test_thinking_is_dim_where_there_is_colour() -> None:
    output, _, notes = streams(color=True)
    model = chat(engine("<think>hm</think>yes"), reasoning=("<think>", "</think>"))
    asyncio.run(Narrator(output, Say("en")).show(Conversation(model).send("hi")))
    assert notes.getvalue().startswith("\x1b[2m")
    assert "thinking:" not in notes.getvalue()


def test_an_error_ends_the_line_and_goes_on_to_the_caller() -> None:
    output, answers, _ = streams()
    conversation = Conversation(chat(engine("one two three", failure=(2, GenerationFailed("lost")))))
    with pytest.raises(GenerationFailed):
        asyncio.run(Narrator(output, Say("en")).show(conversation.send("hi")))
    assert answers.getvalue().endswith("\n")
    assert conversation.unsent == "hi"


def test_a_cancelled_turn_ends_the_line_and_closes_the_engine_s_stream() -> None:
    output, answers, _ = streams()
    gate = Turnstile(3)
    over = engine("one two three four five", gate=gate)
    conversation = Conversation(chat(over))

    async def run() -> None:
        turn = asyncio.create_task(Narrator(output, Say("en")).show(conversation.send("hi")))
        await gate.reached.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn

    asyncio.run(run())
    assert answers.getvalue().endswith("\n")
    assert len(over.closed) == 1
    assert [message.role for message in conversation.context] == ["user", "assistant"]


def test_a_screen_that_fails_closes_the_engine_s_stream_at_once() -> None:
    class Broken(io.StringIO):
        def write(self, s: str, /) -> int:
            raise BrokenPipeError

    over = engine("one two three")
    output = Output(screen_of(Broken(), color=False), screen_of(io.StringIO(), color=False))

    async def run() -> None:
        with pytest.raises(BrokenPipeError):
            await Narrator(output, Say("en")).show(Conversation(chat(over)).send("hi"))
        assert len(over.closed) == 1

    asyncio.run(run())


async def _given(*events: Event) -> AsyncGenerator[Event]:
    for event in events:
        yield event


def _shown(*events: Event, hides: bool = False) -> tuple[str, str]:
    output, answers, notes = streams()
    seconds = itertools.count()
    narrator = Narrator(output, Say("en"), clock=lambda: float(next(seconds)))
    narrator.shows_thinking = not hides
    asyncio.run(narrator.show(_given(*events)))
    return answers.getvalue(), notes.getvalue()


USAGE = Usage(prompt_tokens=10, completion_tokens=4)
WINDOW = WindowReport(context_window=100, limit=80, reserve=20, prompt_tokens=30, kept_exchanges=1)
CALL = ToolCall("call_1", "add", '{"a": 1}')
ROUND = RoundFinished(message=Message("assistant", "", tool_calls=(CALL,)), usage=USAGE)
ALL = Usage(prompt_tokens=40, completion_tokens=9)
END = (Finished(reason="stop", usage=ALL), TurnFinished(usage=ALL, window=WINDOW))
START = TurnStarted(prompt_tokens=10, cached_tokens=0, window=WINDOW)


def test_a_call_and_its_result_are_one_line_among_the_notes() -> None:
    result = ToolResult(call=CALL, content="2", seconds=0.2)
    events = (START, TextDelta(text="Well."), ToolCallReady(index=0, call=CALL), ROUND, result, TextDelta(text="2!"))
    answers, notes = _shown(*events, *END)
    assert answers == "Well.\n2!\n"
    assert notes.splitlines()[0] == "add(a: 1) → 2 · 0.2 s"


def test_the_context_of_several_rounds_is_the_last_prompt_and_answer() -> None:
    _, notes = _shown(START, ROUND, ToolResult(call=CALL, content="2"), TextDelta(text="2!"), *END)
    assert "context 35/100" in notes


def test_the_time_that_tools_take_is_not_the_model_s() -> None:
    # clock: 0 asked, 1 first token, 2 the round ends, 3 the result is there, 4 the last token
    _, notes = _shown(START, ROUND, ToolResult(call=CALL, content="2"), TextDelta(text="2!"), *END)
    assert "4.0 tok/s" in notes


def test_pictures_of_a_result_are_named_and_whether_the_model_sees_them() -> None:
    image = Image(b"x", 6, 4, name="figure-1.png")
    _, notes = _shown(
        START,
        ToolResult(call=CALL, content="", images=(image,)),
        ToolResult(call=CALL, content="", images=(image,), is_seen=False),
        *END,
    )
    assert "figure-1.png 6x4\n" in notes
    assert "figure-1.png 6x4 · the model does not see it" in notes


@pytest.mark.parametrize(("reason", "why"), [("tool_calls", "were not run"), ("context_full", "no longer fit")])
def test_a_turn_that_ends_in_calls_says_why(reason: FinishReason, why: str) -> None:
    _, notes = _shown(START, Finished(reason=reason, usage=ALL), TurnFinished(usage=ALL, window=WINDOW))
    assert why in notes


def test_hidden_thinking_is_one_line() -> None:
    thinking = (ReasoningDelta(text="let me "), ReasoningDelta(text="see"))
    answers, notes = _shown(START, *thinking, TextDelta(text="yes"), *END, hides=True)
    assert answers == "yes\n"
    assert notes.startswith("thought for 1.0 s\n")
    assert "see" not in notes


def test_thinking_before_a_call_is_followed_by_no_answer() -> None:
    _, notes = _shown(START, ReasoningDelta(text="hm"), ToolCallReady(index=0, call=CALL), ROUND, *END)
    assert notes.startswith("thinking:\nhm\n")
    assert "answer:" not in notes
