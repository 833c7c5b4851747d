"""Tools, forms and thinking of `duihua chat`, on the bundled demo without a keyboard."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpoints import make_checkpoint
from duihua.cli.app import run

Ended = tuple[int, str, str]
Start = Callable[..., Ended]
STANDING = Path(__file__).parents[1] / "tools" / "mcp" / "standing.py"
PRODUCT = ("-p", "37*89是多少？", "--temperature", "0")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Start:
    """Run `duihua chat`; (exit code, stdout, stderr)."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def started(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b""), "utf-8"))
        code = run(["chat", *arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return started


@pytest.fixture(scope="module")
def toolless(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model whose template tells it of no tools, and has no switch for thinking."""
    path = make_checkpoint(tmp_path_factory.mktemp("models") / "toolless", "qwen2")
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "
    (path / "chat_template.jinja").write_text(template, "utf-8")
    return str(path)


def settings(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "config" / "duihua"
    folder.mkdir(parents=True)
    (folder / "duihua.toml").write_text(text, "utf-8")


def test_the_answer_alone_is_on_stdout_and_the_call_on_stderr(start: Start) -> None:
    code, out, err = start("--tools", "calculator", *PRODUCT)
    assert code == 0
    assert "3293" in out
    assert "calculator" not in out
    assert "calculator(expression: 37*89) → 3293" in err


def test_events_have_the_call_and_its_result(start: Start) -> None:
    _, out, _ = start("--tools", "calculator", "--json", *PRODUCT)
    events = [json.loads(line) for line in out.splitlines()]
    kinds = [event["type"] for event in events]
    assert kinds.index("tool_call_ready") < kinds.index("round_finished") < kinds.index("tool_result")
    assert next(event["content"] for event in events if event["type"] == "tool_result") == "3293"
    assert kinds[-1] == "turn_finished"


def test_tools_of_the_settings_are_there_and_can_be_left_out(start: Start, tmp_path: Path) -> None:
    settings(tmp_path, '[tools]\nbuilt_in = ["calculator"]\n')
    assert "→ 3293" in start(*PRODUCT)[2]
    assert "→" not in start("--no-tools", *PRODUCT)[2]


def test_a_tool_that_would_ask_does_not_run_and_what_would_let_it_is_said(start: Start, tmp_path: Path) -> None:
    settings(tmp_path, '[tools.approval]\ncalculator = "ask"\n')
    code, _, err = start("--tools", "calculator", *PRODUCT)
    assert code == 0
    assert "--allow-tool calculator lets it run" in err
    assert "→ Error" in err
    assert "→ 3293" in start("--tools", "calculator", "--allow-tool", "calculator", *PRODUCT)[2]


def test_an_answer_is_held_to_a_schema(start: Start, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
    (tmp_path / "schema.json").write_text(json.dumps(schema), "utf-8")
    code, out, _ = start("--schema", str(tmp_path / "schema.json"), "-p", "hello", "--temperature", "0")
    assert code == 0
    assert json.loads(out)["n"] in (1, 2)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--tools", "calculater"), "do you mean 'calculator'"),
        (("--tool-file", "nowhere.py"), "nowhere.py"),
        (("--mcp", "no-such-program-at-all"), "there is no program 'no-such-program-at-all'"),
        (("--no-tools", "--tools", "clock"), "--no-tools and a flag that names tools do not go together"),
        (("--schema", "x.json", "--tools", "clock"), "--schema and tools do not go together"),
        (("--schema", "nowhere.json"), "nowhere.json cannot be read"),
        (("--allow-tool", "clock"), "--allow-tool names a tool, and there are none"),
        (("--allow-tool", "clocks", "--tools", "clock"), "do you mean 'clock'"),
        (("--max-thinking-tokens", "-1"), "max_thinking_tokens=-1"),
    ],
)
def test_flags_that_cannot_be_are_refused_before_anything_is_loaded(
    start: Start, flags: tuple[str, ...], why: str
) -> None:
    code, out, err = start("no/such/model", "-p", "hi", *flags)
    assert code == 2
    assert out == ""
    assert why in err


def test_a_model_without_tools_or_a_switch_refuses_what_a_flag_asks(start: Start, toolless: str) -> None:
    code, _, err = start(toolless, "--tools", "clock", "-p", "hi", "--max-tokens", "2")
    assert code == 1
    assert "does not tell it of tools" in err
    code, _, err = start(toolless, "--no-think", "-p", "hi", "--max-tokens", "2")
    assert code == 1
    assert "has no variable for it" in err


def test_what_the_settings_name_is_left_out_for_such_a_model_and_said(
    start: Start, toolless: str, tmp_path: Path
) -> None:
    settings(tmp_path, '[tools]\nbuilt_in = ["clock"]\n')
    code, _, err = start(toolless, "-p", "hi", "--max-tokens", "2")
    assert code == 0
    assert "those of the settings are left out" in err
