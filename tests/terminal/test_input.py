import asyncio
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from duihua.terminal.input import Keyboard, hushed_echo, private_history
from duihua.terminal.texts import Say


@contextmanager
def typing(text: str) -> Generator[Keyboard]:
    """A keyboard on which these keys are pressed."""
    with create_pipe_input() as keys:
        keys.send_text(text)
        yield Keyboard(Say("en"), InMemoryHistory(), source=keys, screen=DummyOutput())


def read(text: str, default: str = "") -> str:
    with typing(text) as keyboard:
        return asyncio.run(keyboard.read(default))


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("hello\r", "hello"),
        ("你好\x7f们\r", "你们"),
        ("😀👍\x7f\r", "😀"),
        ("a\nb\r", "a\nb"),
        ("a\x1b\rb\r", "a\nb"),
        ("\x1b[200~one\r\ntwo\x1b[201~\r", "one\ntwo"),
        ('"""\rexit\r"""\r', '"""\nexit\n"""'),
        ("\r  \r\x7f\x7fx\r", "x"),
        ("abc\x03def\r", "def"),
        ("abc\x04d\r", "abcd"),
    ],
)
def test_keys_do_what_hands_expect(keys: str, text: str) -> None:
    assert read(keys) == text


def test_a_text_can_stand_in_the_line_to_begin_with() -> None:
    assert read("!\r", "你好") == "你好!"


def test_ctrl_c_on_an_empty_line_is_told() -> None:
    with pytest.raises(KeyboardInterrupt):
        read("\x03")


def test_ctrl_d_on_an_empty_line_is_told() -> None:
    with pytest.raises(EOFError):
        read("\x04")


def completions(text: str, *adapters: str) -> list[str]:
    with typing("\r") as keyboard:
        asyncio.run(keyboard.read("x", adapters=adapters))
        completer = keyboard.completer
        return [c.text for c in completer.get_completions(Document(text), CompleteEvent(completion_requested=True))]


def test_commands_and_parameters_are_completed() -> None:
    assert completions("/he") == ["help"]
    assert "clear" in completions("/")
    assert "clear" in completions("／")
    assert completions("/set temp") == ["temperature"]
    assert completions("hello") == []
    assert completions("/set temperature 0") == []


def test_what_belongs_after_image_is_completed(tmp_path: Path) -> None:
    for name in ("picture.png", "picture.txt", "place.jpeg"):
        (tmp_path / name).touch()
    (tmp_path / "people").mkdir()
    assert completions(f"/image {tmp_path}/p") == ["eople", "icture.png", "lace.jpeg"]
    assert completions("/image c") == ["clear"]
    assert completions("/图片 p") == ["paste"]


def test_what_belongs_after_lora_is_completed(tmp_path: Path) -> None:
    assert completions("/lora u") == ["use", "unload"]
    assert completions("/适配器 o") == ["off"]
    assert completions("/lora use p", "pirate", "poet", "bard") == ["pirate", "poet"]
    assert completions("/lora unload ", "pirate") == ["pirate"]
    assert completions("/lora off ", "pirate") == []
    (tmp_path / "pirate").mkdir()
    (tmp_path / "picture.png").touch()
    assert completions(f"/lora load {tmp_path}/p") == ["irate"]


def test_the_history_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "history"
    history = private_history(path)
    assert isinstance(history, FileHistory)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    history.append_string("我叫小林\n第二行")
    assert list(private_history(path).load_history_strings()) == ["我叫小林\n第二行"]


def test_a_history_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.touch(0o644)
    private_history(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_without_a_place_for_it_the_history_lives_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert isinstance(private_history(tmp_path / "file" / "history"), InMemoryHistory)


def test_hushing_what_is_no_terminal_does_nothing() -> None:
    reading, writing = os.pipe()
    before = os.dup(0)
    try:
        os.dup2(reading, 0)
        with hushed_echo():
            pass
    finally:
        os.dup2(before, 0)
        for descriptor in (before, reading, writing):
            os.close(descriptor)
