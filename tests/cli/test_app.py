import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from duihua import __version__
from duihua.cli.app import build, run
from terminal.person import environment


def ended(*arguments: str, home: Path, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "duihua", *arguments],
        env=environment(home, **variables),
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """English, and no settings of whoever runs the tests."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"duihua {__version__}\n"


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in ("chat", "complete", "tokens", "config"))


def test_help_speaks_the_language_of_the_locale(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert run(["chat", "-h"]) == 0
    assert "系统提示词" in capsys.readouterr().out


def test_nothing_at_all_is_a_question_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    captured = capsys.readouterr()
    assert "Usage: duihua" in captured.out + captured.err


@pytest.mark.parametrize(
    "arguments", [["shat"], ["chat", "--temprature", "1"], ["chat", "--top-k", "many"], ["tokens"]]
)
def test_wrong_usage_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Error" in captured.err


def test_wrong_settings_exit_2_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "--temperature", "-1"]) == 2
    assert capsys.readouterr().err == (
        "duihua: flag --temperature: temperature=-1.0 is not possible: give a number from 0; 0 is greedy\n"
    )


def test_a_model_that_is_not_there_exits_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tokens", "./no-such-directory"]) == 3
    assert capsys.readouterr().err.startswith("duihua: there is no directory ./no-such-directory")


def test_commands_without_arguments_of_theirs_get_no_flags() -> None:
    command = typer.main.get_command(build("en", ["config"]))
    commands = command.commands  # pyright: ignore[reportAttributeAccessIssue]
    assert len(commands["config"].params) > 20
    assert len(commands["chat"].params) == 0


@pytest.mark.parametrize("arguments", [("config",), ("--help",), ("--version",), ("serve", "--help")])
def test_a_reader_who_leaves_ends_it_quietly(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "duihua", *arguments],
        env=environment(tmp_path),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("arguments", ["config", "--help"])
def test_without_a_stdout_nothing_is_said_and_nothing_fails(tmp_path: Path, arguments: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {sys.executable} -m duihua {arguments} >&-"],
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unexpected_error_is_one_line_that_says_how_to_see_more(tmp_path: Path) -> None:
    # A broken installation of a library is nothing anybody foresaw.
    code = "import sys, platformdirs; platformdirs.user_config_path = 0; from duihua.cli import app\nsys.exit(app.run(['config']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("duihua: unexpected TypeError")
    assert done.stderr.count("\n") == 1
    assert "DUIHUA_DEBUG=1 duihua config" in done.stderr


def test_asyncio_is_left_as_it_was() -> None:
    run(["--version"])
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
