"""Conversations side by side go as each goes alone."""

import pytest
import torch
from demo.exams.case import Case, Held, Step
from demo.vision.exams import ShownStep
from demo.vision.export import export
from demo.vision.geometry import new_model
from demo.vision.picture import Kind, Picture, Thing
from demo.vision.plots import PLACE
from demo.vision.talker import Talker

from drawn import tokenizer


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Talker:
    path = tmp_path_factory.mktemp("demo-vision")
    model = new_model(tokenizer())
    with torch.no_grad():
        for parameter in model.parameters():  # wide, so that greedy choices are not near ties
            if parameter.ndim >= 2:
                parameter.mul_(5)
    export(model, tokenizer(), path)
    return Talker(path, "cpu", dtype=torch.float32, greedy=True)


def picture(colour: str, width: int = 112) -> Picture:
    return Picture((Thing(Kind("circle", colour), 50, 50, 30),), width, 112, 1)


CASES = (
    Case("s", "none", "en", (Step("hi"), Step("what is it?")), longest=8),
    Case("s", "one", "en", (ShownStep(f"{PLACE}what?", pictures=(picture("red"),)), Step("and now?")), longest=8),
    Case(
        "s",
        "two",
        "zh",
        (ShownStep(f"{PLACE}{PLACE}哪个", pictures=(picture("blue"), picture("red", 200))),),
        longest=8,
    ),
)


def answers(held: list[Held]) -> list[list[str]]:
    return [[reply.answer for reply in one.replies] for one in held]


def test_conversations_side_by_side_go_as_each_goes_alone(talker: Talker):
    together = talker.hold(CASES)
    assert [len(one.replies) for one in together] == [len(case.steps) for case in CASES]
    assert answers(together) == answers([talker.hold([case])[0] for case in CASES])


def test_another_picture_is_another_answer(talker: Talker):
    said = set[str]()
    for colour in ("red", "blue", "white", "black"):
        case = Case("s", "", "en", (ShownStep(f"{PLACE}what?", pictures=(picture(colour),)),), longest=24)
        said |= {reply.answer for reply in talker.hold([case])[0].replies}
    assert len(said) > 1


def test_an_answer_that_runs_on_has_not_ended(talker: Talker):
    (held,) = talker.hold([Case("s", "", "en", (Step("hi"),), longest=2)])
    assert not held.ended
    assert not held.right
