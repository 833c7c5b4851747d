"""The loop at the keyboard, in a pseudo-terminal, over the scripted engine."""

import asyncio
import io
import os
import pty
import signal
import termios
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from chat.talk import chat, engine
from duihua.chat.conversation import Conversation
from duihua.engine.scripted import ScriptedEngine
from duihua.terminal.input import Keyboard
from duihua.terminal.output import Output, Screen
from duihua.terminal.repl import Repl
from duihua.terminal.session import Session
from duihua.terminal.texts import Say
from terminal.adapters import make_adapter
from terminal.person import BACKSPACE, CTRL_C, CTRL_D, CTRL_J, ENTER, UP, Sit


def test_a_turn_is_answered_and_told_about_in_one_line(sit: Sit) -> None:
    person = sit("I am fine")
    person.say("hello")
    person.sees_line("I am fine")
    person.sees("first token")
    person.sees_line(">")
    assert "context" in person.text
    assert "/4,096" in person.text


@pytest.mark.parametrize("word", ["exit", "QUIT", " Exit ", "退出", "/exit", "/bye", "／退出"])
def test_a_word_on_its_own_leaves(sit: Sit, word: str) -> None:
    person = sit()
    person.say(word)
    assert person.exit_code() == 0


def test_ctrl_d_leaves_on_an_empty_line_only(sit: Sit) -> None:
    person = sit()
    person.type("ab")
    person.sees_line("> ab")
    person.type(CTRL_D)  # deletes to the right, where nothing is
    person.type("c")
    person.sees_line("> abc")
    person.type(BACKSPACE * 3)
    person.sees_line(">")
    person.type(CTRL_D)
    assert person.exit_code() == 0


def test_ctrl_c_stops_an_answer_and_keeps_what_was_said(sit: Sit) -> None:
    person = sit("one two three four", "--hold-after", "4")
    person.say("count")
    person.sees("\none")  # not the "none" of the banner
    person.type(CTRL_C)
    person.sees("stopped; what was said is kept")
    person.say("/context")
    person.sees("model")
    assert person.lines.count("> count") == 1
    assert any(line.startswith("model") and "one" in line for line in person.lines)


def test_ctrl_c_before_the_first_word_gives_the_text_back(sit: Sit) -> None:
    person = sit("never", "--hold-after", "0")
    person.say("你好，小林")
    person.sees_no("\n>\n")
    person.type(CTRL_C)
    person.sees("your text is back")
    person.sees("> 你好，小林", times=2)
    person.type(CTRL_C)  # clears the line
    person.say("/context")
    person.sees("nothing was said yet")


def test_ctrl_c_clears_what_was_typed_and_hints_on_an_empty_line(sit: Sit) -> None:
    person = sit()
    person.type("rubbish")
    person.sees("rubbish")
    person.type(CTRL_C)
    person.sees_no("rubbish")
    assert "or exit leaves\n" not in person.text.partition("/help for")[2].partition("\n")[2]
    person.type(CTRL_C)
    person.sees_line("Ctrl-D or exit leaves")
    person.say("hello")
    person.sees_line("fine")


def test_backspace_takes_a_whole_wide_character(sit: Sit) -> None:
    person = sit()
    person.type("你好吗😀")
    person.sees_line("> 你好吗😀")
    person.type(BACKSPACE * 2)
    person.sees_line("> 你好")
    assert person.screen.cursor.x == 2 + 4
    person.type("呀" + ENTER)
    person.sees_line("> 你好呀")
    person.sees_line("fine")
    person.say("/context raw")
    person.sees("你好呀<|im_end|>")


def test_wide_characters_wrap_at_the_edge_of_the_screen(sit: Sit) -> None:
    person = sit(columns=30)
    person.type("一二三四五六七八九十甲乙丙丁戊己")
    person.sees_line("> 一二三四五六七八九十甲乙丙丁")
    person.sees_line("戊己")
    person.type(BACKSPACE * 3)
    person.sees_line("> 一二三四五六七八九十甲乙丙")


@pytest.mark.parametrize("key", [CTRL_J, "\x1b\r"])
def test_a_new_line_key_sends_nothing(sit: Sit, key: str) -> None:
    person = sit()
    person.type(f"first{key}second")
    person.sees_line("  second")
    assert "fine" not in person.text
    person.type(ENTER)
    person.sees_line("fine")
    person.say("/context raw")
    person.sees("first\nsecond<|im_end|>")


def test_a_paste_never_sends(sit: Sit) -> None:
    person = sit()
    person.type("\x1b[200~alpha\r\nbeta\rgamma\x1b[201~")
    person.sees_line("  gamma")
    assert "fine" not in person.text
    person.type(ENTER)
    person.sees_line("fine")


def test_a_block_of_quotes_holds_several_lines(sit: Sit) -> None:
    person = sit()
    person.say('"""')
    person.say("exit")
    person.say("/help")
    assert "fine" not in person.text
    person.say('"""')
    person.sees_line("fine")
    person.say("/context raw")
    person.sees("user\nexit\n/help<|im_end|>")


def test_arrow_up_brings_earlier_input_back_in_the_next_conversation_too(sit: Sit, tmp_path: Path) -> None:
    person = sit()
    person.say("我叫小林")
    person.sees_line("fine")
    person.sees_line(">")
    person.type(CTRL_D)
    assert person.exit_code() == 0
    assert (tmp_path / "state" / "history").stat().st_mode & 0o777 == 0o600
    again = sit()
    again.type(UP)
    again.sees_line("> 我叫小林")


def test_an_unknown_command_is_named_with_the_nearest_and_not_sent(sit: Sit) -> None:
    person = sit()
    person.say("/hepl")
    person.sees("no command /hepl: did you mean /help?")
    person.say("/context")
    person.sees("nothing was said yet")


def test_a_path_and_an_escaped_slash_are_texts(sit: Sit) -> None:
    person = sit("first", "second")
    person.say("/etc/passwd is what?")
    person.sees_line("first")
    person.say(" /help")
    person.sees_line("second")


def test_what_is_written_after_a_command_that_takes_nothing_is_refused(sit: Sit) -> None:
    person = sit()
    person.say("/clear everything")
    person.sees("/clear takes nothing after it")


def test_a_setting_that_cannot_be_leaves_the_old_one(sit: Sit) -> None:
    person = sit()
    person.say("/set top_p 0.5")
    person.sees_line("top_p = 0.5")
    person.say("/set top_p 3")
    person.sees("give a number above 0 and up to 1")
    person.say("/set top_p")
    person.sees("top_p = 0.5", times=2)


def test_an_error_gives_the_text_back_and_the_loop_goes_on(sit: Sit) -> None:
    person = sit("one two three", "--size", "60")
    person.say("word " * 80)
    person.sees("error: the prompt has")
    person.sees("> word word")
    person.type(CTRL_C)
    person.say("hi")
    person.sees("one two")


def test_an_engine_that_dies_is_started_again_with_the_next_message(sit: Sit) -> None:
    person = sit("one two three", "--fail", "dead")
    person.say("count")
    person.sees("error: the worker ended")
    person.sees("the next message starts the engine again")
    person.sees("> count", times=2)
    person.type(ENTER)
    person.sees_line("one two three")


def test_an_error_nobody_raised_on_purpose_does_not_end_the_loop(sit: Sit) -> None:
    person = sit("only")  # the script has one answer: the second turn fails inside the engine
    person.say("first")
    person.sees_line("only")
    person.say("second")
    person.sees("unexpected IndexError")
    assert "Traceback" not in person.text
    person.sees("> second", times=2)
    person.type(CTRL_C)
    person.say("/context")
    person.sees("only", times=2)


def test_dropped_turns_are_told_once_each(sit: Sit) -> None:
    person = sit("one", "two", "three", "four", "--size", "120", "--max-tokens", "20", columns=120)
    for number, answer in enumerate(("one", "two", "three", "four"), 1):
        person.say(f"message {number} which is quite long, long enough to fill the window")
        person.sees_line(answer)
        person.sees("first token", times=number)
    assert "oldest exchange" in person.text
    assert "dropped in all" in person.text
    assert person.text.index("oldest exchange") > person.text.index("\none\n")


def test_an_answer_cut_at_max_tokens_says_how_to_get_more(sit: Sit) -> None:
    person = sit("one two three four five", "--max-tokens", "3")
    person.say("count")
    person.sees("the answer was cut at max_tokens 3: /set max_tokens N")


def test_an_answer_cannot_obey_the_terminal(sit: Sit) -> None:
    person = sit("a\x1b]0;owned\x07b\x1b[2Jc\x9b5Ad\re\x08f")
    person.say("attack")
    person.sees("first token")
    assert person.screen.title_changes == []
    assert "a␛]0;owned␇b␛[2Jc" in person.text
    assert "> attack" in person.text  # nothing above was erased or written over


def test_thinking_is_set_apart_without_colour(sit: Sit) -> None:
    person = sit("<think>let me see</think>yes", "--reasoning", "--plain")
    person.say("well?")
    person.sees_line("thinking:")
    person.sees_line("let me see")
    person.sees_line("answer:")
    person.sees_line("yes")
    assert "\x1b[2m" not in person.raw


def test_thinking_is_dim_with_colour(sit: Sit) -> None:
    person = sit("<think>hmm</think>yes", "--reasoning")
    person.say("well?")
    person.sees_line("yes")
    thought = person.lines.index("hmm")
    assert "\x1b[2m" in person.raw
    assert person.lines[thought + 1] in ("", "yes")


def test_the_interface_speaks_chinese(sit: Sit) -> None:
    person = sit("好", "--lang", "zh")
    person.say("／帮助")
    person.sees("列出命令")
    person.say("/系统：你是海盗")
    person.sees("系统提示词为：你是海盗")
    person.say("你好")
    person.sees("首个 token")


def test_what_is_typed_during_an_answer_waits_unseen(sit: Sit) -> None:
    person = sit("one two three four", "again", "--hold-after", "4")
    person.say("count")
    person.sees("\none")
    person.type("next")
    person.child.kill(signal.SIGINT)  # unlike the key it does not empty the terminal's queue
    person.sees_line("> next")
    assert person.text.count("next") == 1


@contextmanager
def pseudo_terminal_as_stdin() -> Generator[None]:
    before, (ours, theirs) = os.dup(0), pty.openpty()
    os.dup2(theirs, 0)
    try:
        yield
    finally:
        os.dup2(before, 0)
        for descriptor in (before, ours, theirs):
            os.close(descriptor)


class _Watch(io.StringIO):
    """Notes with each text whether the terminal would echo a key just then."""

    def __init__(self) -> None:
        super().__init__()
        self.echoing: list[str] = []

    def write(self, text: str) -> int:
        if termios.tcgetattr(0)[3] & termios.ECHO:
            self.echoing.append(text)
        return super().write(text)


def test_the_terminal_echoes_at_no_time_of_a_conversation_and_as_before_after_it() -> None:
    watch, say = _Watch(), Say("en")
    screen = Screen(watch, is_terminal=False, color=False)
    session = Session(conversation=Conversation(chat(engine("fine"))), output=Output(screen, screen), say=say)
    with pseudo_terminal_as_stdin(), create_pipe_input() as keys:
        before = termios.tcgetattr(0)
        keys.send_text("/set\rhello\r\x04")
        keyboard = Keyboard(say, InMemoryHistory(), source=keys, screen=DummyOutput())
        asyncio.run(Repl(session, keyboard).run())
        assert termios.tcgetattr(0) == before
    assert "fine\n" in watch.getvalue()
    assert "first token" in watch.getvalue()
    assert watch.echoing == []


class _Odd(ScriptedEngine):
    async def load_adapter(self, name: str, path: Path) -> None:
        raise RuntimeError("this is odd")


def test_an_error_nobody_raised_on_purpose_in_a_command_does_not_end_the_loop(tmp_path: Path) -> None:
    notes, say = io.StringIO(), Say("en")
    screen = Screen(notes, is_terminal=False, color=False)
    conversation = Conversation(chat(_Odd([[1]])))
    session = Session(conversation=conversation, output=Output(screen, screen), say=say)
    with create_pipe_input() as keys:
        keys.send_text(f"/lora load {make_adapter(tmp_path / 'pirate')}\r/lora\r\x04")
        keyboard = Keyboard(say, InMemoryHistory(), source=keys, screen=DummyOutput())
        asyncio.run(Repl(session, keyboard).run())
    first, second = notes.getvalue().splitlines()
    assert first.startswith("unexpected RuntimeError: this is odd")
    assert second.startswith("no adapter is loaded")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_leaves_the_terminal_in_order(sit: Sit, number: signal.Signals) -> None:
    person = sit()
    person.type("half a")
    person.sees("half a")
    person.child.kill(number)
    assert person.exit_code() == 128 + number
    assert person.raw.rstrip().endswith("\x1b[?2004l") or "\x1b[?2004l" in person.raw  # bracketed paste is off again
