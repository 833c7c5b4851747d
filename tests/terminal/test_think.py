"""`/think` turns thinking on and off by the template's own variable, and shows or hides it."""

from __future__ import annotations

import asyncio
import io

import pytest

from chat.talk import chat, engine
from duihua.chat.conversation import Conversation
from duihua.errors import UnsupportedFeature
from duihua.terminal.output import Output, screen_of
from duihua.terminal.session import Session
from duihua.terminal.texts import Say
from duihua.terminal.think import run_think, thinking_variables
from prompt import traits
from terminal.person import Sit

SWITCHED = traits.CHATML + (
    "{% if add_generation_prompt and enable_thinking is defined and not enable_thinking %}"
    "<think>\n\n</think>\n\n{% endif %}"
)


class Desk:
    """A conversation, and what `/think` prints."""

    def __init__(self, template: str = SWITCHED) -> None:
        self._stream = io.StringIO()
        screen = screen_of(self._stream, color=False)
        self.engine = engine("fine", "fine")
        conversation = Conversation(chat(self.engine, template, reasoning=("<think>", "</think>")))
        self.session = Session(conversation=conversation, output=Output(screen, screen), say=Say("en"))

    def types(self, argument: str) -> str:
        start = len(self._stream.getvalue())
        asyncio.run(run_think(self.session, argument))
        return self._stream.getvalue()[start:].rstrip("\n")

    def prompt(self) -> str:
        """What the model reads of a turn."""

        async def turn() -> None:
            async for _ in self.session.conversation.send("hello"):
                pass

        asyncio.run(turn())
        return traits.tokenizer().decode(self.engine.requests[-1].token_ids, skip_special_tokens=False)


def test_off_is_what_the_template_makes_of_it_and_on_takes_it_back() -> None:
    desk = Desk()
    assert desk.types("off") == "the model does not think · thinking is shown"
    assert "</think>" in desk.prompt()
    assert desk.types("开") == "the model thinks · thinking is shown"
    assert "</think>" not in desk.prompt()


def test_nothing_said_leaves_it_to_the_model() -> None:
    assert Desk().types("") == "thinking is as the model has it · thinking is shown"


def test_hiding_is_of_the_screen_alone() -> None:
    desk = Desk(traits.CHATML)
    assert desk.types("hide").endswith("thinking is hidden")
    assert not desk.session.shows_thinking
    assert desk.types("显示").endswith("thinking is shown")
    assert desk.session.conversation.options.variables is None


def test_a_template_without_a_variable_is_told() -> None:
    with pytest.raises(UnsupportedFeature, match="scripted has no variable for it"):
        Desk(traits.CHATML).types("off")


def test_another_word_is_not_understood() -> None:
    assert "on, off, show or hide" in Desk().types("hard")


def test_other_variables_stay() -> None:
    info = Desk().session.info
    assert thinking_variables(info, {"a": 1}, thinks=False) == {"a": 1, "enable_thinking": False}


def test_hidden_thinking_is_one_line_at_the_keyboard(sit: Sit) -> None:
    person = sit("<think>let me see</think>yes", "<think>once more</think>no", "--reasoning")
    person.say("/think hide")
    person.sees("thinking is hidden")
    person.say("hello")
    person.sees("thought for 0.")
    person.sees("yes")
    assert "let me see" not in person.text
    person.say("/think show")
    person.say("hello")
    person.sees("once more")
