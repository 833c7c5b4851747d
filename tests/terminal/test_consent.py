"""A person is asked before a tool runs: yes, no, always; Ctrl-C stops the turn."""

from __future__ import annotations

import asyncio
import io

import pytest

from duihua.errors import ToolDenied
from duihua.terminal.consent import Consent
from duihua.terminal.output import Output, screen_of
from duihua.terminal.signals import Interrupt
from duihua.terminal.texts import Say
from duihua.tools.approval import Answer, Question
from terminal.person import CTRL_C, CTRL_D, ENTER, Sit

QUESTION = Question("python", {"code": "a = 1\nprint(a)"})
ADD = '<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 3}}\n</tool_call>'
HANG = '<tool_call>\n{"name": "hang", "arguments": {}}\n</tool_call>'


def consent() -> tuple[Consent, io.StringIO]:
    stream = io.StringIO()
    screen = screen_of(stream, color=False)
    return Consent(Output(screen, screen), Say("en")), stream


def answered(*lines: str | BaseException) -> tuple[Answer, Consent, str]:
    """The answer, and what was shown, where these lines are typed."""
    asker, stream = consent()
    left = list(lines)

    async def read_line(prompt: str) -> str:
        stream.write(prompt)
        line = left.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line

    asker.read_line = read_line
    answer = asyncio.run(asker.ask(QUESTION))
    assert not left
    return answer, asker, stream.getvalue()


@pytest.mark.parametrize(
    ("line", "answer"),
    [("y", "yes"), ("YES ", "yes"), ("是", "yes"), ("n", "no"), ("ｎ", "no"), ("a", "always"), ("总是", "always")],
)
def test_an_answer_is_a_word_or_its_letter_in_two_languages(line: str, answer: Answer) -> None:
    assert answered(line)[0] == answer


def test_what_is_no_answer_is_asked_again() -> None:
    answer, _, shown = answered("", "yeah", "what is this?", "n")
    assert answer == "no"
    assert shown.count("may it run?") == 4


def test_the_whole_call_is_shown() -> None:
    assert answered("y")[2].startswith("python\n  code: a = 1\n  print(a)\n")


def test_ctrl_d_is_no() -> None:
    assert answered(EOFError())[0] == "no"


def test_what_may_always_run_is_remembered() -> None:
    assert answered("a")[1].always == {"python"}
    assert answered("y")[1].always == set()


def test_where_nobody_is_it_is_denied_and_the_flag_is_told() -> None:
    asker, stream = consent()
    with pytest.raises(ToolDenied, match="nobody can be asked"):
        asyncio.run(asker.ask(QUESTION))
    assert "--allow-tool python lets it run" in stream.getvalue()


def test_others_wait_until_the_question_is_answered() -> None:
    asker, _ = consent()
    happened: list[str] = []

    async def run() -> None:
        answer = asyncio.get_running_loop().create_future()

        async def read_line(prompt: str) -> str:
            happened.append(prompt[:3])
            return await answer

        async def write() -> None:
            await asker.settled()
            happened.append("written")

        asker.read_line = read_line
        asking = asyncio.create_task(asker.ask(QUESTION))
        await asyncio.sleep(0)
        writing = asyncio.create_task(write())
        await asyncio.sleep(0)
        answer.set_result("y")
        await asking
        await writing

    asyncio.run(run())
    assert happened == ["may", "written"]


def test_ctrl_c_stops_whoever_waits_for_the_answer() -> None:
    asker, _ = consent()

    async def read_line(prompt: str) -> str:
        raise KeyboardInterrupt(prompt)

    async def run() -> bool:
        asker.read_line = read_line
        with Interrupt() as interrupt:
            await asyncio.create_task(asker.ask(QUESTION))
        return interrupt.happened

    assert asyncio.run(run())


def test_yes_runs_it_once_and_always_from_then_on(sit: Sit) -> None:
    person = sit(ADD, "five", ADD, "again five", ADD, "still five", "--tools")
    person.say("hello")
    person.sees("may it run?")
    assert "a: 2" in person.text
    person.say("y")
    person.sees("add(a: 2, b: 3) → 5")
    person.sees("first token")
    person.say("hello")
    person.sees("may it run?", times=2)
    person.say("a")
    person.sees("first token", times=2)
    person.say("hello")
    person.sees("still five")
    assert person.text.count("may it run?") == 2
    person.say("/tools")
    person.sees_match(r"add +runs +Add two numbers")
    person.sees_match(r"hang +asks +Wait for ever")
    person.sees_match(r"add\n  a: 2\n  b: 3\n5")


def test_no_is_told_to_the_model(sit: Sit) -> None:
    person = sit(ADD, "then not", "--tools")
    person.say("hello")
    person.sees("may it run?")
    person.say("n")
    person.sees("the user does not allow this call")
    person.sees("then not")


def test_what_was_typed_before_the_question_does_not_answer_it(sit: Sit) -> None:
    person = sit(f"{ADD}\n{ADD}", "five", "--tools")
    person.say("hello")
    person.sees("may it run?")
    person.type(f"y{ENTER}y{ENTER}")
    person.sees("may it run?", times=2)
    person.say("n")
    person.sees("the user does not allow this call")
    person.sees("first token")


def test_ctrl_c_at_the_question_stops_the_turn_and_the_next_one_is_answered(sit: Sit) -> None:
    person = sit(ADD, "fine", "--tools")
    person.say("hello")
    person.sees("may it run?")
    person.type(CTRL_C)
    person.sees("stopped")
    person.say("again")
    person.sees("first token")


def test_ctrl_d_at_the_question_is_no(sit: Sit) -> None:
    person = sit(ADD, "fine", "--tools")
    person.say("hello")
    person.sees("may it run?")
    person.type(CTRL_D)
    person.sees("the user does not allow this call")


def test_ctrl_c_reaches_a_tool_that_runs(sit: Sit) -> None:
    person = sit(HANG, "fine", "--tools")
    person.say("hello")
    person.sees("may it run?")
    person.say("y")
    person.sees("hang() …")
    person.type(CTRL_C)
    person.sees("it was let go")
    person.sees("stopped")
    person.say("again")
    person.sees("first token")
