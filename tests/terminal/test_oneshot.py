import asyncio
import io
import json
from collections.abc import AsyncGenerator, Sequence

import pytest

from chat.talk import chat, engine
from duihua.chat.conversation import Conversation
from duihua.errors import GenerationFailed
from duihua.image import Image
from duihua.terminal.oneshot import Reader, replay
from duihua.terminal.output import Output, screen_of
from duihua.terminal.session import Session
from duihua.terminal.texts import Say
from duihua.terminal.turn import Narrator
from prompt.dialogues import seeing


class Desk:
    """A replay with both streams in hand."""

    def __init__(
        self,
        *answers: str,
        as_json: bool = False,
        failure: tuple[int, GenerationFailed] | None = None,
        pictures: Sequence[Image] = (),
    ) -> None:
        self.answers, self.notes = io.StringIO(), io.StringIO()
        output = Output(screen_of(self.answers, color=False), screen_of(self.notes, color=False))
        self.engine = engine(*answers, max_images=len(pictures), failure=failure)
        conversation = Conversation(chat(self.engine, encoder=seeing("chatml") if pictures else None))
        self.session = Session(conversation=conversation, output=output, say=Say("en"), pictures=list(pictures))
        self.reader = Reader(output, Narrator(output, Say("en")), json=as_json)

    def run(self, *lines: str) -> None:
        async def source() -> AsyncGenerator[str]:
            for line in lines:
                yield line

        asyncio.run(replay(self.session, source(), self.reader))


def test_a_replay_is_one_conversation_with_a_blank_line_between_answers() -> None:
    desk = Desk("one", "two\nlines", "three")
    desk.run("a", "b", "c")
    assert desk.answers.getvalue() == "one\n\ntwo\nlines\n\nthree\n"
    assert [line for line in desk.notes.getvalue().splitlines() if line.startswith(">")] == ["> a", "> b", "> c"]
    assert [message.content for message in desk.session.conversation.context] == [
        "a",
        "one",
        "b",
        "two\nlines",
        "c",
        "three",
    ]


def test_json_has_one_turn_after_the_other_and_no_notes() -> None:
    desk = Desk("one", "two", as_json=True)
    desk.run("a", "b")
    types = [json.loads(line)["type"] for line in desk.answers.getvalue().splitlines()]
    assert types.count("turn_started") == types.count("turn_finished") == 2
    assert desk.notes.getvalue() == ""


CAT = Image(b"cat", 64, 48, name="a\x1bcat.png")


def test_pictures_go_with_the_first_line_and_are_told() -> None:
    desk = Desk("one", "two", pictures=[CAT])
    desk.run("what is it?", "/image cat.png")
    said = [message.parts for message in desk.session.conversation.context if message.role == "user"]
    assert said == [(CAT, "what is it?"), ("/image cat.png",)]
    assert desk.notes.getvalue().splitlines()[:2] == ["> what is it?", "a␛cat.png 64x48 · 112 tokens"]


def test_pictures_come_before_their_turn_in_json() -> None:
    desk = Desk("one", "two", as_json=True, pictures=[CAT, CAT])
    desk.run("which?", "more")
    lines = [json.loads(line) for line in desk.answers.getvalue().splitlines()]
    assert [line["type"] for line in lines[:3]] == ["image", "image", "turn_started"]
    assert [line["sha256"] for line in lines if line["type"] == "image"] == [CAT.sha256] * 2
    assert desk.notes.getvalue() == ""


@pytest.mark.parametrize("as_json", [False, True])
def test_an_error_ends_it_after_what_was_printed(as_json: bool) -> None:
    desk = Desk("one two three", "never", as_json=as_json, failure=(2, GenerationFailed("lost")))
    with pytest.raises(GenerationFailed):
        desk.run("a", "b")
    printed = desk.answers.getvalue()
    assert printed.endswith("\n")
    if as_json:
        assert json.loads(printed.splitlines()[-1]) == {"type": "error", "error": "GenerationFailed", "message": "lost"}
    assert len(desk.engine.requests) == 1
