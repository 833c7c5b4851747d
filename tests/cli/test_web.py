"""`duihua web` as a process, on the bundled demo."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

import duihua
from duihua.cli.app import run
from terminal.person import environment

DEMO = Path(duihua.__file__).parent / "checkpoint" / "bundled" / "demo"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def begin(*flags: str, **variables: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "duihua", "web", "--port", "0", *flags]
        env = environment(tmp_path, PATH=os.defpath, **variables)  # Gradio's audio part reads it
        started.append(subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def address(page: subprocess.Popen[str]) -> str:
    """The address that the command prints when the page is up."""
    assert page.stderr is not None
    lines: list[str] = []
    for line in page.stderr:
        lines.append(line)
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise AssertionError("".join(lines))


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Run one command line that cannot be followed; what it says, after its exit code."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def told(*arguments: str) -> str:
        code = run(["web", *arguments])
        return f"{code} {capfd.readouterr().err}"

    return told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_page_and_leaves_nothing(start: Start, number: signal.Signals) -> None:
    page = start("--title", "Ours & <others>")
    url = address(page)
    reply = httpx.get(url)
    assert reply.status_code == 200
    assert "Ours &amp; &lt;others&gt;" in reply.text
    children = psutil.Process(page.pid).children(recursive=True)
    with httpx.stream("GET", f"{url}/gradio_api/heartbeat/visitor") as alive:
        next(alive.iter_lines())
        page.send_signal(number)
        _, rest = page.communicate(timeout=30)
    assert page.returncode == 128 + number
    assert "Traceback" not in rest
    assert not [child for child in children if child.is_running()]


def test_the_page_speaks_the_interface_s_language(start: Start) -> None:
    page = start("--lang", "zh", "--system", "你是助手", "--seed", "11")
    url = address(page)
    text = httpx.get(url).text
    assert all(words in text for words in ("新对话", "你是助手"))


def test_others_on_the_network_are_let_in_by_word_only(tell: Callable[..., str]) -> None:
    assert tell("--host", "0.0.0.0").startswith("2 duihua: --host 0.0.0.0 lets others on the network talk to the model")


def test_a_port_that_is_taken_is_told_before_the_model_is_loaded(tell: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = tell("--port", str(taken.getsockname()[1]))
    assert said.startswith("2 duihua: the page cannot listen on 127.0.0.1, port ")
    assert "loading" not in said


def test_settings_that_cannot_be_are_told_before_the_model_is_loaded(tell: Callable[..., str]) -> None:
    said = tell("--history-turns", "0")
    assert said.startswith("2 duihua: flag --history-turns: ")
    assert "loading" not in said


def test_a_base_model_has_no_page(tell: Callable[..., str], tmp_path: Path) -> None:
    base = tmp_path / "plain-base"
    shutil.copytree(DEMO, base, ignore=shutil.ignore_patterns("chat_template.jinja"))
    said = tell(str(base), "--port", "0")
    assert said.startswith("3 ")
    assert "is a base model without a chat template" in said


def test_without_gradio_the_cure_is_told(tell: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "gradio" or name.startswith("duihua.web.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gradio", None)  # Python's own sign for a module that is not there
    assert tell() == "2 duihua: the page needs gradio: pip install 'duihua[web]'\n"


def test_help_needs_no_gradio(tmp_path: Path) -> None:
    code = "import sys; from duihua.cli.app import run; run(['web', '--help']); sys.exit('gradio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=environment(tmp_path), check=False).returncode == 0
