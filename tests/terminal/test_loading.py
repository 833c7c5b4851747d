import io
import threading
from dataclasses import replace
from typing import Any

import pyte
import pytest

from chat.talk import chat, engine
from duihua.terminal.loading import LoadingLine, banner, stage_words, template_note
from duihua.terminal.output import Output, screen_of
from duihua.terminal.texts import Say


def shown(language: Any = "en", *, adapters: tuple[str, ...] = (), **changes: Any) -> str:
    stream = io.StringIO()
    screen = screen_of(stream, color=False)
    banner(Output(screen, screen), Say(language), replace(chat(engine()).info, **changes), adapters)
    return stream.getvalue()


def test_the_banner_says_what_is_talked_to() -> None:
    lines = shown(name="demo", title="GLM-4", origin="bundled").splitlines()
    assert lines[0] == "demo · GLM-4 · bundled with duihua"
    assert lines[1] == "scripted on cpu, none · context window 4,096 tokens"
    assert "Ctrl-D or exit leaves" in lines[2]
    assert lines[3] == ""


def test_a_template_of_ours_is_told() -> None:
    assert "no chat template" not in shown()
    assert "no chat template" in shown(template_is_ours=True)
    assert "没有对话模板" in shown("zh", template_is_ours=True)
    stream = io.StringIO()
    screen = screen_of(stream, color=False)
    template_note(Output(screen, screen), Say("en"), chat(engine()).info)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("origin", ["directory", "alias", "bundled", "huggingface", "modelscope"])
def test_every_origin_has_words(origin: str) -> None:
    words = shown(origin=origin).splitlines()[0].rpartition(" · ")[2]
    assert words not in ("", origin)


def test_stages_are_told_in_whole_percent() -> None:
    assert stage_words(Say("en"), "weights", 0.456) == "reading weights 46%"
    assert stage_words(Say("zh"), "download", 1) == "下载 100%"
    assert stage_words(Say("en"), "warming up", 0) == "warming up 0%"


@pytest.mark.parametrize("stage", ["download", "weights", "device", "adapter", "import", "process", "kv", "warmup"])
def test_every_stage_has_words_in_both_languages(stage: str) -> None:
    en, zh = stage_words(Say("en"), stage, -1), stage_words(Say("zh"), stage, -1)
    assert stage not in (en, zh)
    assert en != zh


def test_a_stage_of_unknown_length_has_no_percentage() -> None:
    assert stage_words(Say("en"), "warmup", -1) == "warming up"
    assert stage_words(Say("en"), "warmup", 0.5) == "warming up 50%"


@pytest.mark.parametrize(
    ("engine_name", "reason", "line"),
    [
        ("transformers", "vllm_is_missing", "Transformers on cpu: vLLM is not installed"),
        (
            "transformers",
            "no_gpu",
            "Transformers on cpu: vLLM is chosen only on a GPU (device cuda)",
        ),
        ("vllm", "vllm_is_fastest", "vLLM on cpu: vLLM is installed and there is a GPU"),
    ],
)
def test_an_engine_that_nobody_named_comes_with_the_reason(engine_name: str, reason: str, line: str) -> None:
    info = replace(chat(engine()).info.engine, name=engine_name)
    lines = shown(engine=info, engine_reason=reason).splitlines()
    assert lines[1:3] == [line, "none · context window 4,096 tokens"]
    assert "vLLM" in shown("zh", engine=info, engine_reason=reason).splitlines()[1]


def test_what_became_of_the_engine_s_settings_is_told_one_line_each() -> None:
    info = replace(chat(engine()).info.engine, notes=("chunked prefill is off", "the executor is mp, not uni"))
    lines = shown(engine=info).splitlines()
    assert lines[2:4] == ["chunked prefill is off", "the executor is mp, not uni"]


def test_an_adapter_named_as_the_model_stands_before_its_base() -> None:
    named: dict[str, Any] = {"name": "demo", "title": "GLM-4", "origin": "bundled", "adapter": "demo-pirate"}
    lines = shown(**named, adapters=("demo-pirate",)).splitlines()
    assert lines[0] == "demo-pirate · LoRA on demo · GLM-4 · bundled with duihua"
    assert not any("/lora" in line for line in lines)
    assert shown("zh", **named).splitlines()[0] == "demo-pirate · demo 的 LoRA · GLM-4 · 随 duihua 内置"


def test_adapters_that_wait_to_be_used_are_named() -> None:
    lines = shown(adapter="mine", adapters=("mine", "pirate", "poet")).splitlines()
    assert "loaded beside it: pirate, poet · /lora use NAME" in lines


class Terminal(io.StringIO):
    """A terminal of 80 columns, which tells when a text was written on it."""

    def __init__(self, awaited: str = "") -> None:
        super().__init__()
        self.awaited = awaited
        self.came = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if self.awaited and self.awaited in text:
            self.came.set()
        return super().write(text)

    @property
    def line(self) -> str:
        """What stands on its one line."""
        screen = pyte.Screen(80, 4)
        pyte.Stream(screen).feed(self.getvalue())
        assert [line.strip() for line in screen.display[1:]] == ["", "", ""]
        return screen.display[0].rstrip()


def line_on(terminal: Terminal, seconds: list[float], text: str = "loading x", **options: Any) -> LoadingLine:
    screen = screen_of(terminal, color=False)
    return LoadingLine(Output(screen, screen), Say("en"), text, clock=lambda: seconds[0], **options)


def test_the_line_shows_the_stage_and_after_some_seconds_their_number() -> None:
    terminal, seconds = Terminal(), [100.0]
    with line_on(terminal, seconds, tick_s=60) as line:
        assert terminal.line == "loading x"
        line.on_progress("weights", 0.5)
        assert terminal.line == "loading x · reading weights 50%"
        seconds[0] += 12.7
        line.on_progress("warmup", -1)
        assert terminal.line == "loading x · warming up · 12 s"
    assert terminal.line == ""


def test_the_seconds_go_on_while_nothing_is_told() -> None:
    terminal, seconds = Terminal(awaited=" · 7 s"), [0.0]
    with line_on(terminal, seconds, tick_s=0.001):
        seconds[0] = 7
        assert terminal.came.wait(30)
    assert terminal.line == ""


def test_the_same_words_are_drawn_once() -> None:
    terminal = Terminal()
    with line_on(terminal, [0.0], tick_s=60) as line:
        for _ in range(50):
            line.on_progress("kv", -1)
    assert terminal.getvalue().count("sizing the KV cache") == 1


def test_what_is_told_after_the_end_leaves_no_trace() -> None:
    terminal = Terminal()
    with line_on(terminal, [0.0]) as line:
        line.stop()
    line.on_progress("process", -1)  # an engine that is started again later
    assert terminal.line == ""


def test_a_long_name_leaves_room_for_the_stage() -> None:
    terminal = Terminal()
    with line_on(terminal, [0.0], f"正在加载 {'长' * 60}") as line:
        line.on_progress("weights", 0.25)
        assert terminal.line.replace(" ", "").endswith("…·readingweights25%")


def test_no_line_is_drawn_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    screen = screen_of(stream, color=False)
    with LoadingLine(Output(screen, screen), Say("en"), "loading x") as line:
        line.on_progress("weights", 0.5)
    assert stream.getvalue() == ""
