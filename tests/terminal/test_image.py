"""`/image`, alone and in a pseudo-terminal, over the scripted engine."""

import asyncio
import io
import os
import signal
from pathlib import Path

import pytest

from chat.talk import chat, engine
from duihua.chat.conversation import Conversation
from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.image import Image
from duihua.terminal.image import run_image
from duihua.terminal.output import Output, Screen
from duihua.terminal.session import Session
from duihua.terminal.texts import Say
from duihua.vision.fetch import Fetcher
from prompt.dialogues import seeing
from terminal.person import CTRL_C, ENTER, Sit
from vision.pictures import encoded, flag
from vision.web import ANYWHERE, HOST, Names, redirect, reply, site


class _Slow:
    """A web on which somebody presses Ctrl-C while it loads."""

    is_closed = False

    async def fetch(self, url: str) -> Image:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            self.is_closed = True
        raise AssertionError(url)


class Desk:
    """A conversation, and what stands on its screen."""

    def __init__(self, *, max_images: int = 4, is_terminal: bool = False) -> None:
        self.stream = io.StringIO()
        screen = Screen(self.stream, is_terminal=is_terminal, color=False)
        conversation = Conversation(chat(engine(max_images=max_images), encoder=seeing("chatml")))
        self.session = Session(conversation=conversation, output=Output(screen, screen), say=Say("en"))

    def types(self, argument: str) -> str:
        """What `/image` prints with this argument."""
        start = len(self.stream.getvalue())
        asyncio.run(run_image(self.session, argument))
        return self.stream.getvalue()[start:]

    @property
    def names(self) -> list[str]:
        return [image.name for image in self.session.pictures]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("cat.png", "dog.png"):
        (tmp_path / name).write_bytes(encoded(flag()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_pictures_are_staged_listed_and_cleared(there: Path) -> None:
    desk = Desk()
    assert desk.types("").startswith("no picture is staged")
    assert desk.types("cat.png") == desk.types(f"'{there}/dog.png'") == ""  # the prompt lists them
    assert desk.types("") == "cat.png 16x32 · 48 tokens\ndog.png 16x32 · 48 tokens\n"
    assert desk.names == ["cat.png", "dog.png"]
    assert desk.types("clear").startswith("no picture goes with")
    assert desk.names == []
    desk.types("cat.png dog.png")
    assert desk.names == ["cat.png", "dog.png"]
    desk.types("清空")
    assert desk.names == []


def test_a_wrong_path_is_told_and_the_others_are_staged(there: Path) -> None:
    (there / "notes.txt").write_text("no picture", "utf-8")
    desk = Desk()
    assert "none.png: the file cannot be read" in desk.types("none.png")
    assert "notes.txt: this is no picture of a known kind" in desk.types("notes.txt cat.png")
    assert desk.names == ["cat.png"]


def test_a_model_that_sees_none_refuses_before_anything_is_read() -> None:
    desk = Desk(max_images=0)
    with pytest.raises(UnsupportedFeature, match="scripted sees none"):
        desk.types("none.png")
    with pytest.raises(UnsupportedFeature):
        desk.types("paste")
    desk.types("clear")


def test_no_more_are_staged_than_the_model_takes(there: Path) -> None:
    desk = Desk(max_images=1)
    with pytest.raises(InvalidParameter, match="at most 1"):
        desk.types("cat.png dog.png")
    desk.types("cat.png")
    with pytest.raises(InvalidParameter, match="at most 1"):
        desk.types("dog.png")
    assert desk.names == ["cat.png"]


def test_no_more_are_staged_than_a_request_may_hold(there: Path) -> None:
    desk = Desk(max_images=100)
    desk.session.stage([Image(b"x", 1, 1)] * 16)
    assert "at most 16 may come together" in desk.types("cat.png")
    assert len(desk.session.pictures) == 16


def test_a_picture_of_the_web_is_fetched_from_its_server_and_staged() -> None:
    desk, names = Desk(), Names()
    desk.session.fetcher = Fetcher(reach=ANYWHERE, resolve=names)
    answers = {
        "/a%20cat.png": reply(encoded(flag())),
        "/moved/dog": redirect("/kennel/dog.jpg"),
        "/kennel/dog.jpg": reply(encoded(flag(20, 40), "JPEG")),
        "/gone.png": reply(b"", status="404 Not Found"),
    }

    async def stage() -> list[str]:
        async with site(answers) as web:
            await run_image(desk.session, f"{web.url('/a%20cat.png')} {web.url('/moved/dog')}")
            await run_image(desk.session, web.url("/gone.png"))
            return web.paths

    assert asyncio.run(stage()) == ["/a%20cat.png", "/moved/dog", "/kennel/dog.jpg", "/gone.png"]
    assert names.asked == [HOST] * 4
    assert "gone.png: " in desk.stream.getvalue()
    assert desk.types("") == "a cat.png 16x32 · 48 tokens\ndog 20x40 · 60 tokens\n"


def test_ctrl_c_ends_a_download_and_the_conversation_goes_on(there: Path) -> None:
    desk = Desk()
    web = desk.session.fetcher = _Slow()
    assert desk.types("cat.png https://example.org/dog.png").splitlines()[-1].startswith("stopped")
    assert web.is_closed
    assert desk.names == ["cat.png"]


def test_a_pasted_picture_is_called_so(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("wl-paste", "osascript"):
        (there / name).write_text(f"#!/bin/sh\n/bin/cat {there}/cat.png\n", "utf-8")
        (there / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(there))
    desk = Desk()
    desk.types("paste")
    desk.types("粘贴")
    assert desk.names == ["clipboard", "clipboard"]


def test_a_preview_is_drawn_where_the_terminal_can_and_nowhere_else(there: Path) -> None:
    desk = Desk(is_terminal=True)
    assert "\x1b_G" not in desk.types("cat.png")
    desk.session.graphics = "kitty"
    shown = desk.types("dog.png")
    assert shown.count("\x1b_G") == 1
    assert shown.endswith("\x1b\\\n")
    pipe = Desk()
    pipe.session.graphics = "kitty"
    assert pipe.types("cat.png") == ""


def test_a_name_cannot_obey_the_terminal(there: Path) -> None:
    name = "a\x1b]0;owned\x07\n.png"
    (there / name).write_bytes(encoded(flag()))
    desk = Desk(is_terminal=True)
    desk.session.graphics = "kitty"
    before, drawn = desk.types(name).split("\x1b_G")
    assert before == "\r\x1b[Kreading a␛]0;owned␇ .png\r\x1b[K"
    assert "owned" not in drawn
    assert desk.types("") == "a␛]0;owned␇ .png 16x32 · 48 tokens\n"
    assert "\x1b]" not in desk.types("a\x1b]0;none\x07.png")
    assert desk.names == [name]


# At the keyboard


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    path = tmp_path / "my cat.png"
    path.write_bytes(encoded(flag()))
    return path


def test_the_banner_of_a_model_that_sees_says_how(sit: Sit) -> None:
    assert "it sees pictures: /image PATH" in sit("--max-images", "2").text
    assert "pictures" not in sit().text


def test_a_path_that_is_dropped_stages_a_picture_for_one_message(sit: Sit, cat: Path) -> None:
    person = sit("a flag", "again", "--max-images", "2", columns=120)
    person.type(f"\x1b[200~'{cat}' \x1b[201~{ENTER}")
    person.sees_line("with your message: my cat.png 16x32 · 48 tokens")
    person.say(f"/image {cat}")
    person.sees_line("with your message: my cat.png 16x32 · 48 tokens, my cat.png 16x32 · 48 tokens")
    person.say("what is this?")
    person.sees_line("a flag")
    person.sees("first token")
    person.say("and now?")
    person.sees_line("again")
    assert person.lines.count("> what is this?") == 1
    above = person.lines[person.lines.index("> and now?") - 1]
    assert "cat" not in above
    person.say("/context")
    person.sees("[my cat.png 16x32] [my cat.png 16x32] what is this?")


def test_a_line_that_mentions_a_path_is_sent(sit: Sit, cat: Path) -> None:
    person = sit("a flag", "--max-images", "2")
    person.say(f"what is on '{cat}'?")
    person.sees_line("a flag")


def test_a_wrong_path_says_so_and_the_conversation_goes_on(sit: Sit) -> None:
    person = sit("--max-images", "2")
    person.say("/image none.png")
    person.sees("error: none.png: the file cannot be read")
    person.say("hello")
    person.sees_line("fine")


def test_a_model_that_sees_none_refuses_a_picture_by_name(sit: Sit, cat: Path) -> None:
    person = sit()
    person.say(str(cat))
    person.sees("scripted sees none")
    person.say("hello")
    person.sees_line("fine")


def test_ctrl_c_before_the_first_word_gives_pictures_back_too(sit: Sit, cat: Path) -> None:
    person = sit("never", "--hold-after", "0", "--max-images", "2")
    person.say(f"/image {cat}")
    person.sees("with your message")
    person.say("what is this?")
    person.sees_no("\n>\n")
    person.type(CTRL_C)
    person.sees("your text and its pictures are back")
    person.sees("> what is this?", times=2)
    assert person.lines[-1 - person.lines[::-1].index("> what is this?") - 1].startswith("with your message: my cat")


def test_an_error_gives_pictures_back_too_and_the_next_try_sends_them(sit: Sit, cat: Path) -> None:
    person = sit("lost", "one two three", "--fail", "failed", "--max-images", "2", columns=120)
    person.say(f"/image {cat}")
    person.sees("with your message")
    person.say("count")
    person.sees("error: this one is lost")
    person.sees("with your message: my cat.png", times=2)
    person.sees("> count", times=2)
    person.type(ENTER)
    person.sees_line("one two three")
    person.say("/context")
    person.sees("[my cat.png 16x32] count")
