"""`duihua chat` and `duihua complete` without a keyboard, on the bundled demo."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import duihua
from checkpoints import make_checkpoint
from duihua.cli.app import run
from terminal.person import environment
from vision.pictures import encoded, flag

DEMO = Path(duihua.__file__).parent / "checkpoint" / "bundled" / "demo"
Ended = tuple[int, str, str]
Start = Callable[..., Ended]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Ended]:
    """Run one command line; (exit code, stdout, stderr)."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def started(*arguments: str, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        code = run(list(arguments))
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return started


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_answer_alone_is_on_stdout(start: Start) -> None:
    code, out, err = start("chat", "-p", "你好", "--temperature", "0", "--max-tokens", "8")
    assert code == 0
    assert out.endswith("\n")
    assert out.strip()
    assert "first token" in err
    assert "the answer was cut at max_tokens 8: --max-tokens N" in err
    assert "\x1b" not in out + err


def test_what_is_piped_in_joins_the_prompt(start: Start) -> None:
    same = ("--temperature", "0", "--max-tokens", "8", "--json")
    _, joined, _ = start("chat", "-p", "我叫小林", *same, stdin="你好\n".encode())
    _, whole, _ = start("chat", "-p", "我叫小林\n\n你好", *same)
    _, alone, _ = start("chat", *same, stdin="我叫小林\n\n你好\n".encode())
    assert joined == whole == alone


def test_events_are_json_lines(start: Start) -> None:
    code, out, _ = start("chat", "-p", "hello", "--json", "--temperature", "0", "--max-tokens", "6")
    lines = events(out)
    assert code == 0
    assert [line["type"] for line in lines[:1] + lines[-2:]] == ["turn_started", "finished", "turn_finished"]
    assert {line["type"] for line in lines[1:-2]} == {"text_delta"}
    assert lines[-1]["usage"]["completion_tokens"] <= 6
    assert lines[0]["window"]["context_window"] == 2048


def test_an_error_is_an_event_a_line_and_a_code(start: Start) -> None:
    code, out, err = start("chat", "-p", "hello " * 400, "--json", "--context-window", "64")
    assert code == 1
    assert events(out)[-1]["type"] == "error"
    assert events(out)[-1]["error"] == "ContextOverflow"
    assert err.startswith("duihua: the prompt has")


def test_a_replay_is_one_conversation(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "talk.txt"
    file.write_bytes("\ufeff我叫小林\r\n\r\n我叫什么名字？\r\n".encode())
    code, out, err = start("chat", "--replay", str(file), "--temperature", "0")
    assert code == 0
    first, second = out.rstrip("\n").split("\n\n")
    assert first.strip()
    assert "小林" in second
    assert [line for line in err.splitlines() if line.startswith("> ")] == ["> 我叫小林", "> 我叫什么名字？"]


def test_a_replay_ends_at_the_line_that_fails(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "talk.txt"
    file.write_bytes(b"hello\n\xff\xfe\nhello\n")
    code, out, err = start("chat", "--replay", str(file), "--max-tokens", "4")
    assert code == 2
    assert out.strip()
    assert f"{file}, line 2 is not UTF-8 (byte 1)" in err.splitlines()[-1]


def test_a_small_window_says_what_it_drops(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "talk.txt"
    file.write_text("What is 2 + 3?\n" * 12, "utf-8")
    code, out, err = start("chat", "--replay", str(file), "--context-window", "128", "--max-tokens", "16")
    assert code == 0
    assert len(out.rstrip("\n").split("\n\n")) == 12
    assert "oldest exchange" in err


def test_raw_text_is_continued_and_nothing_added(start: Start) -> None:
    prompt = "[gMASK]<sop><|user|>\nhello<|assistant|>"
    same = ("--temperature", "0", "--max-tokens", "5")
    code, out, _ = start("complete", "-p", prompt, *same)
    _, piped, _ = start("complete", *same, stdin=prompt.encode())
    _, json_lines, _ = start("complete", "-p", prompt, "--json", *same)
    text = "".join(line["text"] for line in events(json_lines) if line["type"] == "text_delta")
    assert code == 0
    assert out == piped == text


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (("chat",), b"", "there is nothing to ask"),
        (("chat", "-p", "  "), b" \n", "there is nothing to ask"),
        (("chat", "-p", "x", "--replay", "y"), b"", "do not go together"),
        (("chat", "--replay", "./none.txt"), b"", "./none.txt cannot be read"),
        (("chat", "-p", "x"), b"ok\n\xff", "stdin, line 2 is not UTF-8"),
        (("chat", "-p", "x", "--image", "none.png"), b"", "flag --image: none.png: the file cannot be read"),
        (
            ("chat", "-p", "x", "--image", "http://127.0.0.1/cat.png"),
            b"",
            "flag --image: cat.png: 127.0.0.1 is no host",
        ),
        (("chat", "-p", "x", "--history-turns", "0"), b"", "flag --history-turns"),
        (("chat", "-p", "x", "--max-tokens", "0"), b"", "flag --max-tokens"),
        (("chat", "-p", "x", "--engine", "vllmm"), b"", "no engine is called 'vllmm'"),
        (("complete",), b"", "there is nothing to continue"),
    ],
)
def test_what_cannot_be_is_told_with_code_2(
    start: Start, arguments: tuple[str, ...], stdin: bytes, message: str
) -> None:
    code, out, err = start(*arguments, stdin=stdin)
    assert (code, out) == (2, "")
    assert message in err


def test_a_model_that_sees_none_refuses_a_picture_by_name(start: Start, tmp_path: Path) -> None:
    (tmp_path / "flag.png").write_bytes(encoded(flag()))
    code, out, err = start("chat", "-p", "what is this?", "--image", str(tmp_path / "flag.png"))
    assert (code, out) == (1, "")
    assert "demo sees none" in err


def test_a_picture_is_seen_and_named_in_json(start: Start, tmp_path: Path) -> None:
    (tmp_path / "flag.png").write_bytes(encoded(flag(56, 112)))
    model = str(make_checkpoint(tmp_path / "tiny-glm4v", "glm4v"))
    same = ("chat", model, "-p", "what is this?", "--json", "--max-tokens", "2")
    code, out, _ = start(*same, "--image", str(tmp_path / "flag.png"))
    image, *rest = events(out)
    assert code == 0
    assert {key: image[key] for key in ("type", "name", "width", "height")} == {
        "type": "image",
        "name": "flag.png",
        "width": 56,
        "height": 112,
    }
    alone = events(start(*same)[1])
    assert rest[0]["prompt_tokens"] - alone[0]["prompt_tokens"] == 8 + 2  # its own, and the marks around it


def test_a_base_model_is_for_completion_only(start: Start, tmp_path: Path) -> None:
    base = tmp_path / "plain-base"
    shutil.copytree(DEMO, base, ignore=shutil.ignore_patterns("chat_template.jinja"))
    code, out, err = start("chat", str(base), "-p", "hello")
    assert (code, out) == (3, "")
    assert "`duihua complete`" in err
    assert start("complete", str(base), "-p", "hello", "--max-tokens", "2")[0] == 0


def test_a_conversation_at_the_keyboard_needs_a_terminal(
    start: Start, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Keys(io.StringIO):
        def isatty(self) -> bool:
            return True

    start("--version")
    monkeypatch.setattr(sys, "stdin", Keys())
    assert run(["chat"]) == 2
    assert "needs -p TEXT" in capfd.readouterr().err


def test_ctrl_c_stops_an_answer_in_a_pipe_with_code_130(tmp_path: Path) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "duihua", "chat", "-p", "hello", "--max-tokens", "1800"],
        env=environment(tmp_path, DUIHUA_IGNORE_EOS="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    first = os.read(running.stdout.fileno(), 10)
    running.send_signal(signal.SIGINT)
    rest, notes = running.communicate(timeout=60)
    assert running.returncode == 130
    assert first + rest
    assert b"Traceback" not in notes


def test_lines_from_the_pipe_are_answered_as_they_come(tmp_path: Path) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "duihua", "chat", "--replay", "-", "--temperature", "0"],
        env=environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdin.write(b"My name is Kim.\n")
    running.stdin.flush()
    first = os.read(running.stdout.fileno(), 1)  # an answer before the next line is there
    rest, _ = running.communicate(b"What is my name?\n", timeout=60)
    assert running.returncode == 0
    assert "Kim" in (first + rest).decode().rstrip("\n").split("\n\n")[1]
