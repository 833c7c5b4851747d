"""`duihua chat --engine vllm` on the bundled demo: the real vLLM, its processes, a terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import duihua
from checkpoints import make_adapter
from terminal.person import CTRL_C, CTRL_D, Person, environment

DEMO = Path(duihua.__file__).parent / "checkpoint" / "bundled" / "demo"
TURNS = ("My name is Kim.", "I live in Rome.", "What is my name?", "Where do I live?", "今天心情怎么样？")
CTRL_U = "\x15"
VLLM = ("--engine", "vllm", "--dtype", "float32", "--eager")


@pytest.fixture
def person(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Person]:
    flags: tuple[str, ...] = getattr(request, "param", ())
    arguments = [
        "-m",
        "duihua",
        "chat",
        "demo",
        *VLLM,
        "--temperature",
        "0",
        "--max-tokens",
        "24",
        "--max-adapters",
        "2",
        *flags,
    ]
    with Person(arguments, environment(tmp_path), lines=100) as sitting:
        yield sitting


def descendants(person: Person) -> list[psutil.Process]:
    """vLLM's processes, which lead process groups of their own."""
    return [
        process
        for process in psutil.Process(person.child.pid).children(recursive=True)
        if os.getpgid(process.pid) != person.child.pid
    ]


def replayed(home: Path, *flags: str) -> str:
    """The answers to TURNS, from the command."""
    done = subprocess.run(
        [sys.executable, "-m", "duihua", "chat", "demo", "--replay", "-", "--temperature", "0", *flags],
        input="\n".join(TURNS),
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    assert "Traceback" not in done.stderr
    assert "vllm" not in done.stderr.lower()
    return done.stdout


def test_a_replay_says_on_vllm_what_it_says_on_transformers(tmp_path: Path) -> None:
    on_vllm = replayed(tmp_path, *VLLM)
    assert on_vllm == replayed(tmp_path, "--engine", "transformers", "--dtype", "float32")
    assert "Kim" in on_vllm
    assert "Rome" in on_vllm


def turn(person: Person, text: str, *, within_s: float = 60) -> str:
    """Say something; the first line of the answer."""
    turns = person.text.count("first token")
    person.say(text)
    person.sees("first token", times=turns + 1, within_s=within_s)
    shown = person.text.rpartition(f"> {text}\n")[2].splitlines()
    return next(line for line in shown if "starting it again" not in line)


@pytest.mark.slow  # the server's and the engine's own tests kill one at every submission
def test_adapters_a_killed_engine_and_the_end(person: Person, tmp_path: Path) -> None:
    """One conversation through everything that may happen to it."""
    voice = make_adapter(tmp_path / "voice", DEMO, rank=8, scale=0.3)
    person.sees("starting the engine's process", within_s=120)
    person.sees_line(">", within_s=200)
    turn(person, "My name is Kim.")
    assert "Kim" in turn(person, "What is my name?")

    person.say(f"/lora load {voice}")
    person.sees_line("voice>")
    person.say("/lora off")
    person.sees_line(">")

    vllm = descendants(person)
    core = next(process for process in vllm if os.getpgid(process.pid) == process.pid and len(process.children()) > 1)
    core.send_signal(signal.SIGKILL)
    person.say("Tell me a story.")
    person.sees("the conversation is kept, and the next message starts the engine again")
    _, alive = psutil.wait_procs([each for each in vllm if not _is_tracker(each)], 10)
    assert not alive

    person.type(CTRL_U)  # the message that was not answered is back in the line
    assert turn(person, "What is my name?", within_s=200).count("Kim") == 1
    person.say("/lora use voice")
    person.sees_line("voice>")
    assert "Kim" not in turn(person, "What is my name?")

    vllm = descendants(person)
    person.type(CTRL_D)
    assert person.exit_code() == 0
    assert not psutil.wait_procs(vllm, 10)[1]


def _is_tracker(process: psutil.Process) -> bool:
    """multiprocessing's, which lives as long as we do."""
    try:
        return "resource_tracker" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def begun(person: Person) -> list[psutil.Process]:
    """Wait until an engine process runs while the model is loaded."""
    deadline = time.monotonic() + 120
    while not (vllm := descendants(person)):
        person.sees("loading demo")  # reads on
        assert time.monotonic() < deadline
    return vllm


def test_ctrl_c_while_it_starts_leaves_nothing_behind(person: Person) -> None:
    vllm = begun(person)
    person.type(CTRL_C)
    assert person.exit_code() == 130
    assert not psutil.wait_procs(vllm, 10)[1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_signal_leaves_a_process_behind(person: Person, number: signal.Signals) -> None:
    person.sees_line(">", within_s=200)
    person.say("Tell me a story.")
    person.sees("> Tell me a story.")
    vllm = descendants(person)
    assert len(vllm) >= 3
    os.kill(person.child.pid, number)
    assert person.exit_code() == 128 + number
    assert not psutil.wait_procs(vllm, 10)[1]


@pytest.mark.slow
def test_ctrl_c_twice_stops_the_answer_and_keeps_the_engine(person: Person) -> None:
    person.sees_line(">", within_s=200)
    person.say("Tell me a story.")
    person.sees("> Tell me a story.")
    person.type(CTRL_C + CTRL_C)
    person.sees_match(r"stopped|leaves")
    turn(person, "My name is Kim.")
    vllm = descendants(person)
    person.type(CTRL_D)
    assert person.exit_code() == 0
    assert not psutil.wait_procs(vllm, 10)[1]
