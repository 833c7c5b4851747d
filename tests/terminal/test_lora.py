import asyncio
import io
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from chat.talk import chat, engine
from duihua.chat.conversation import Conversation
from duihua.engine.scripted import ScriptedEngine
from duihua.errors import AdapterRejected, InvalidParameter
from duihua.terminal.lora import LORA_ACTIONS, run_lora, split_load
from duihua.terminal.output import Output, screen_of
from duihua.terminal.session import Session
from duihua.terminal.texts import Say
from terminal.adapters import make_adapter
from terminal.person import CTRL_J, ENTER, Sit


class Desk:
    """A session, and what it prints."""

    def __init__(self, *answers: str, language: str = "en") -> None:
        self.engine: ScriptedEngine = engine(*answers)
        self._stream = io.StringIO()
        screen = screen_of(self._stream, color=False)
        say = Say("zh" if language == "zh" else "en")
        self.session = Session(conversation=Conversation(chat(self.engine)), output=Output(screen, screen), say=say)

    def lora(self, argument: str) -> str:
        start = len(self._stream.getvalue())
        asyncio.run(run_lora(self.session, argument))
        return self._stream.getvalue()[start:]

    def send(self, text: str) -> None:
        async def turn() -> None:
            async for _ in self.session.conversation.send(text):
                pass

        asyncio.run(turn())

    @property
    def asked_of(self) -> list[str | None]:
        return [request.adapter for request in self.engine.requests]


@pytest.fixture
def pirate(tmp_path: Path) -> Path:
    return make_adapter(tmp_path / "pirate", rank=8)


def test_without_any_adapter_the_list_says_how_to_load_one() -> None:
    assert Desk().lora("") == "no adapter is loaded: /lora load DIR loads one\n"
    assert Desk(language="zh").lora("列出") == "没有加载适配器：用 /lora load 目录 加载\n"


def test_an_adapter_is_loaded_used_listed_left_and_unloaded(pirate: Path) -> None:
    desk = Desk("plain", "arr", "plain again", "arr again", "plain at last")
    desk.send("one")
    loaded = "pirate (rank 8) answers from the next message on; /lora off goes back\n"
    assert desk.lora(f"load {pirate}") == loaded
    assert desk.lora("list") == f"pirate · in use · rank 8 · {pirate}\n"
    desk.send("two")
    assert desk.lora("off") == "the base model answers from the next message on\n"
    listed = f"pirate · rank 8 · {pirate}\nthe base model answers: /lora use NAME changes that\n"
    assert desk.lora("") == listed
    desk.send("three")
    assert desk.lora("use pirate") == "pirate answers from the next message on\n"
    desk.send("four")
    assert desk.lora("unload pirate").splitlines() == [
        "pirate is unloaded",
        "the base model answers from the next message on",
    ]
    desk.send("five")
    assert desk.asked_of == [None, "pirate", None, "pirate", None]
    assert len(desk.session.conversation.context) == 10
    assert desk.engine.adapters == {}


def test_unloading_one_that_is_not_in_use_leaves_the_other(pirate: Path) -> None:
    desk = Desk()
    desk.lora(f"load {pirate} first")
    desk.lora(f"load {pirate} second")
    assert desk.lora("unload first") == "first is unloaded\n"
    assert desk.session.adapter == "second"


def test_a_name_that_is_taken_gets_the_new_adapter(pirate: Path, tmp_path: Path) -> None:
    other = make_adapter(tmp_path / "other", rank=2)
    desk = Desk()
    desk.lora(f"load {pirate}")
    assert desk.lora(f"load {other} pirate").startswith("pirate (rank 2) takes the old one's place")
    assert desk.engine.adapters == {"pirate": other}


def test_a_name_with_a_typo_comes_with_the_nearest(pirate: Path) -> None:
    desk = Desk()
    assert desk.lora("use pirate") == "no adapter is loaded: /lora load DIR loads one\n"
    desk.lora(f"load {pirate}")
    desk.lora("off")
    assert desk.lora("use pirte") == "no adapter is called pirte: did you mean pirate?\n"
    assert desk.lora("unload xyz") == "no adapter is called xyz: pirate can be used\n"
    assert desk.session.adapter is None


@pytest.mark.parametrize("argument", ["load", "use", "unload", "frob", "frob x", 'load ""'])
def test_what_is_no_form_of_it_is_told_the_forms(argument: str) -> None:
    assert Desk().lora(argument).startswith("after /lora: load DIR [NAME]")


@pytest.mark.parametrize("argument", ["off now", "list all", "关 了"])
def test_an_action_that_takes_nothing_refuses_more(argument: str) -> None:
    assert "takes nothing after it" in Desk().lora(argument)


def test_the_actions_have_chinese_names(pirate: Path) -> None:
    desk = Desk(language="zh")
    assert "由 pirate（秩 8）回答" in desk.lora(f"加载 {pirate}")
    assert "使用中" in desk.lora("列出")
    desk.lora("关")
    assert desk.session.adapter is None
    desk.lora("使用 pirate")
    assert desk.session.adapter == "pirate"
    assert "已卸载 pirate" in desk.lora("卸载 pirate")


def test_what_cannot_be_loaded_leaves_what_was_in_use(pirate: Path, tmp_path: Path) -> None:
    desk = Desk()
    desk.lora(f"load {pirate}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AdapterRejected):
        desk.lora(f"load {tmp_path / 'empty'}")
    with pytest.raises(InvalidParameter):
        desk.lora(f"load {pirate} 'two words'")
    assert desk.session.adapter == "pirate"
    assert list(desk.session.conversation.chat.adapters) == ["pirate"]


def test_every_action_is_completed_and_understood(pirate: Path) -> None:
    for action in LORA_ACTIONS:
        desk = Desk()
        desk.lora(f"load {pirate}")
        argument = {"load": f" {pirate}", "use": " pirate", "unload": " pirate"}.get(action, "")
        assert "after /lora" not in desk.lora(action + argument)


def test_an_adapter_that_was_named_as_the_model_can_be_left_too(pirate: Path) -> None:
    desk = Desk("arr", "plain", "arr again", "plain again")
    model = chat(desk.engine)
    model.info = replace(model.info, adapter="pirate")
    asyncio.run(model.load_adapter("pirate", pirate))
    desk.session.conversation = Conversation(model)
    assert desk.session.adapter == "pirate"
    desk.send("one")
    desk.lora("off")
    desk.send("two")
    desk.lora("use pirate")
    desk.send("three")
    assert desk.lora("unload pirate").count("\n") == 2
    desk.send("four")
    assert desk.asked_of == ["pirate", None, "pirate", None]


class _Slow(ScriptedEngine):
    """Loads no adapter to the end."""

    async def load_adapter(self, name: str, path: Path) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()


def test_ctrl_c_gives_up_loading_and_leaves_what_was_in_use(pirate: Path) -> None:
    desk = Desk()
    desk.session.conversation = Conversation(chat(_Slow([])))
    assert desk.lora(f"load {pirate}") == "stopped; pirate is not used\n"
    assert desk.session.adapter is None
    assert not desk.session.conversation.chat.adapters


# At the keyboard


def test_the_adapter_in_use_stands_before_the_line(sit: Sit, tmp_path: Path) -> None:
    make_adapter(tmp_path / "adapters" / "pirate")
    make_adapter(tmp_path / "adapters" / "一个名字特别长的海盗适配器")
    person = sit("arr", "我是", columns=40)
    person.say("/lora load ~/adapters/pirate")
    person.sees_line("pirate>")
    person.say("hello")
    person.sees_line("arr")
    person.say("/lora load ~/adapters/一个名字特别长的海盗适配器")
    person.sees_line("一个名字特别长…>")
    person.type("你好")
    person.sees_line("一个名字特别长…> 你好")
    person.type(CTRL_J + "二")
    person.sees_line(f"{17 * ' '}二")
    person.type(ENTER)
    person.sees_line("我是")
    person.say("/lora off")
    person.sees_line(">")


def test_an_adapter_that_cannot_be_loaded_leaves_the_conversation(sit: Sit, tmp_path: Path) -> None:
    person = sit("fine")
    person.say("/lora load ~/nowhere")
    person.sees("error: there is no directory")
    person.say("hello")
    person.sees_line("fine")


# Where the directory ends and the name begins


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("plain", "with space", "it's", "海盗"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "directory", "name"),
    [
        ("~/plain", "plain", "plain"),
        ("plain/", "plain", "plain"),
        ("./plain loud", "plain", "loud"),
        ('"~/plain" loud', "plain", "loud"),
        ("~/with space", "with space", "with-space"),
        ("~/with space loud", "with space", "loud"),
        ("'~/with space' loud", "with space", "loud"),
        (r"~/with\ space loud", "with space", "loud"),
        ("“~/with space”\u3000loud", "with space", "loud"),
        ("it's", "it's", "it's"),
        ("it's loud", "it's", "loud"),
        ("海盗 大声", "海盗", "大声"),
        ("~/not here at all", "not here at all", "not-here-at-all"),
        ("missing loud", "missing", "loud"),
        ("'open", "'open", "'open"),
    ],
)
def test_paths_are_understood_as_they_are_typed(home: Path, text: str, directory: str, name: str) -> None:
    assert split_load(text) == (home / directory, name)


def test_a_directory_has_its_own_name_wherever_one_stands(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home / "plain")
    assert split_load(".") == (home / "plain", "plain")
    os.symlink(home / "plain", home / "best")
    assert split_load("~/best") == (home / "best", "best")


def test_nothing_between_quotes_is_nothing() -> None:
    assert split_load('""') is None
