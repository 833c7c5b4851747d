"""`duihua chat` in a pseudo-terminal, on the bundled demo; pictures on a tiny model that sees."""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checkpoints import make_checkpoint
from terminal.person import CTRL_C, CTRL_D, Person, environment
from vision.pictures import encoded, flag

Sit = Callable[..., Person]


@pytest.fixture
def sit(tmp_path: Path) -> Iterator[Sit]:
    people: list[Person] = []

    def sit_down(*flags: str, **variables: str) -> Person:
        person = Person(["-m", "duihua", "chat", *flags], environment(tmp_path, **variables))
        people.append(person)
        return person

    yield sit_down
    for person in people:
        person.__exit__(None, None, None)


def test_a_conversation_in_english_from_the_first_words_to_the_last(sit: Sit) -> None:
    person = sit("--temperature", "0")
    person.sees("loading the demo")  # before anything heavy is imported
    person.sees("bundled with duihua")
    person.sees("2,048 tokens")
    person.sees_line(">")
    assert "loading" not in person.text
    person.say("My name is Kim.")
    person.sees("first token", times=1)
    person.say("What is my name?")
    person.sees("first token", times=2)
    answer = person.text.partition("> What is my name?")[2]
    assert "Kim" in answer
    assert "cached" in answer
    person.say("/context")
    person.sees("template")
    person.type(CTRL_D)
    assert person.exit_code() == 0


def test_a_conversation_in_chinese_and_without_colour(sit: Sit, tmp_path: Path) -> None:
    person = sit("--temperature", "0", LC_ALL="zh_CN.UTF-8", NO_COLOR="1")
    person.sees("正在加载")
    person.sees_line(">")
    assert "随 duihua 内置" in person.text
    person.say("我叫小林")
    person.sees("首个 token")
    person.say("我叫什么名字？")
    person.sees("首个 token", times=2)
    assert "小林" in person.text.partition("> 我叫什么名字？")[2]
    person.say("退出")
    assert person.exit_code() == 0
    assert not re.search(r"\x1b\[[0-9;]*[1-9][0-9;]*m", person.raw)
    assert "我叫小林" in (tmp_path / "state" / "duihua" / "history").read_text("utf-8")


def test_ctrl_c_stops_the_model_and_the_next_turn_is_answered(sit: Sit) -> None:
    person = sit("--max-tokens", "1800", DUIHUA_IGNORE_EOS="1")
    person.sees_line(">")
    person.say("hello")
    person.sees_match(r"> hello\n\S")  # the first word
    person.type(CTRL_C)
    person.sees("stopped")
    person.say("/set max_tokens 3")
    person.sees_line("max_tokens = 3")
    person.say("again")
    person.sees("the answer was cut at max_tokens 3")


def test_ctrl_c_leaves_while_the_model_is_loading(sit: Sit) -> None:
    person = sit()
    person.sees("loading the demo")
    person.type(CTRL_C)
    assert person.exit_code() == 128 + signal.SIGINT
    assert "Traceback" not in person.raw


@pytest.fixture(scope="module")
def glm4v(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random GLM-4.1V: what it says means nothing, but it sees."""
    return make_checkpoint(tmp_path_factory.mktemp("models") / "tiny-glm4v", "glm4v")


def test_a_picture_is_shown_asked_about_and_kept(sit: Sit, glm4v: Path, tmp_path: Path) -> None:
    (tmp_path / "a flag.png").write_bytes(encoded(flag(56, 112)))
    person = sit(str(glm4v), "--max-tokens", "4", "--temperature", "0", "--preview", "kitty")
    person.sees("it sees pictures")
    person.sees_line(">")
    person.say(f"'{tmp_path}/a flag.png' ")
    person.sees_line("with your message: a flag.png 56x112 · 8 tokens")
    assert "\x1b_Ga=T,f=100,q=2," in person.raw
    person.say("What is it?")
    person.sees("first token")
    person.say("And now?")
    person.sees("first token", times=2)
    person.say("/context")
    person.sees("[a flag.png 56x112] What is it?")
    person.type(CTRL_D)
    assert person.exit_code() == 0
