"""A tool that needs leave runs when it has it; a person's time is not the tool's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

import duihua
from duihua.errors import ToolDenied
from duihua.messages import ToolCall
from duihua.tools.approval import Answer, Approval, Approver, Question
from duihua.tools.toolbox import Toolbox, ToolLimits, ToolOutcome

ran: list[str] = []


@duihua.tool
def sell(what: str) -> str:
    """Sell something."""
    ran.append(what)
    return f"sold {what}"


@pytest.fixture(autouse=True)
def nothing_sold() -> None:
    ran.clear()


class Person:
    """Somebody with prepared answers."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[Question] = []

    async def __call__(self, question: Question) -> Answer:
        self.asked.append(question)
        return self.answers.pop(0)


def outcomes(person: Person | None, approval: Approval, *wares: str) -> Sequence[ToolOutcome]:
    async def work() -> Sequence[ToolOutcome]:
        box = Toolbox([Approver(person).guarded(sell, approval)])
        return [await box.run(ToolCall("1", "sell", f'{{"what": "{ware}"}}')) for ware in wares]

    return asyncio.run(work())


def test_a_person_is_asked_each_time_and_a_no_is_told_to_the_model() -> None:
    person = Person("yes", "no", "yes")
    first, second, third = outcomes(person, "ask", "tea", "gold", "salt")
    assert [question.arguments for question in person.asked] == [{"what": "tea"}, {"what": "gold"}, {"what": "salt"}]
    assert person.asked[0].tool == "sell"
    assert (first.content, third.content) == ("sold tea", "sold salt")
    assert isinstance(second.error, ToolDenied)
    assert "the user does not allow this call" in second.content
    assert ran == ["tea", "salt"]


def test_always_is_remembered() -> None:
    person = Person("always")
    assert len(outcomes(person, "ask", "a", "b", "c")) == 3
    assert len(person.asked) == 1
    assert ran == ["a", "b", "c"]


def test_what_always_may_is_not_asked_about_and_what_never_may_does_not_run() -> None:
    assert outcomes(Person(), "always", "a")[0].content == "sold a"
    assert "is not allowed to run here" in outcomes(Person(), "never", "b")[0].content
    assert ran == ["a"]


def test_where_nobody_can_be_asked_nothing_runs() -> None:
    assert "nobody can be asked" in outcomes(None, "ask", "a")[0].content
    assert not ran


def test_questions_come_one_at_a_time_and_take_no_time_of_the_tool() -> None:
    at_once: list[int] = []
    asking = 0

    async def slowly(question: Question) -> Answer:
        nonlocal asking
        asking += 1
        at_once.append(asking)
        await asyncio.sleep(0.1)
        asking -= 1
        return "yes"

    async def work() -> list[ToolOutcome]:
        guarded = Approver(slowly).guarded(sell)
        box = Toolbox([guarded], limits=ToolLimits(seconds=0.15))
        calls = [ToolCall(str(number), "sell", '{"what": "a"}') for number in range(3)]
        return [outcome async for outcome in box.run_all(calls)]

    assert [outcome.content for outcome in asyncio.run(work())] == ["sold a"] * 3
    assert at_once == [1, 1, 1]


def test_cancelling_takes_the_question_back() -> None:
    taken_back: list[bool] = []

    async def work() -> None:
        asked = asyncio.Event()

        async def asks(question: Question) -> Answer:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                taken_back.append(True)
            return "yes"

        task = asyncio.create_task(Toolbox([Approver(asks).guarded(sell)]).run(ToolCall("1", "sell", '{"what": "a"}')))
        await asked.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(work())
    assert taken_back == [True]
    assert not ran
