import tomllib
from pathlib import Path

import pytest

from duihua.cli.settings import show_settings
from duihua.config import keys, read_settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


def test_every_setting_is_shown_with_its_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[sampling]\ntop_k = 5\n", "utf-8")
    show_settings(read_settings({"sampling.seed": 3}, file=file, environ={"DUIHUA_DEVICE": "cpu"}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"# {file}"
    by_name = {line.lstrip("# ").split(" ")[0]: line for line in lines if line}
    assert all(key.partition(".")[2] in by_name for key in keys())
    assert by_name["top_k"].endswith(f"= 5  # {file}")
    assert by_name["seed"].endswith("= 3  # flag --seed")
    assert by_name["device"].endswith('= "cpu"  # DUIHUA_DEVICE')
    assert "the model's own, else 0.6  (DUIHUA_TEMPERATURE)" in by_name["temperature"]


def test_a_key_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_settings(read_settings({"serve.api_keys": ("open-sesame",)}, environ={}))
    shown = capsys.readouterr().out
    assert "is set, and not shown" in shown
    assert "sesame" not in shown


def test_what_is_printed_is_a_file_that_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {
        "sampling.stop": ("。", '"'),
        "sampling.logit_bias": {5: -1.5},
        "sampling.temperature": 0.0,
        "model.trust_remote_code": True,
        "terminal.system": "两行\n第二行",
    }
    file = tmp_path / "mine.toml"
    file.write_text('[alias]\n"my glm" = "org/name"\n', "utf-8")
    first = read_settings(said, file=file, environ={})
    show_settings(first)
    printed = tmp_path / "printed.toml"
    printed.write_text(capsys.readouterr().out, "utf-8")
    tomllib.loads(printed.read_text("utf-8"))
    second = read_settings(file=printed, environ={})
    assert (second.model, second.sampling, second.terminal) == (first.model, first.sampling, first.terminal)


def test_a_file_beside_is_told_not_to_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beside = tmp_path / "duihua.toml"
    beside.write_text("[sampling]\ntop_k = 5\n", "utf-8")
    show_settings(read_settings(environ={}))
    assert "./duihua.toml is not read: name it with --config" in capsys.readouterr().out
    show_settings(read_settings(file=beside, environ={}))
    assert "is not read" not in capsys.readouterr().out
