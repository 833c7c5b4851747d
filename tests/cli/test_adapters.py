"""`duihua adapters merge`, and an adapter's directory as MODEL, from the command line."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from checkpoint.adapter_layouts import DEMO, make_pirate
from duihua.cli.app import run


@pytest.fixture(scope="module")
def pirate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pirate(tmp_path_factory.mktemp("adapters") / "pirate")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(), "utf-8"))


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    greedy = ("-p", "hello", "--temperature", "0", "--max-tokens", "8", "--dtype", "float32")
    assert run(["chat", *arguments, *greedy]) == 0
    return capsys.readouterr().out


def test_an_adapter_s_directory_is_a_model(pirate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, base = answer(capsys, str(pirate)), answer(capsys, "demo")
    assert own != base == answer(capsys, "demo", "--adapter", f"pirate={pirate}")
    assert own == answer(capsys, str(pirate), "--base", str(DEMO))


def test_merging_prints_the_directory_that_can_be_talked_to(
    pirate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "merged"
    assert run(["adapters", "merge", "demo", str(pirate), str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert answer(capsys, str(out)) != answer(capsys, "demo")
    assert run(["adapters", "merge", "demo", str(pirate), str(out)]) == 2
    assert str(out) in capsys.readouterr().err


def test_what_cannot_be_merged_exits_3_with_one_line(
    pirate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["adapters", "merge", "demo", "./none", str(tmp_path / "out")]) == 3
    assert capsys.readouterr().err == "duihua: there is no directory none: check the path\n"


@pytest.mark.parametrize(("arguments", "code"), [((), 2), (("merge",), 2), (("marge",), 2), (("merge", "-h"), 0)])
def test_the_group_helps_itself(arguments: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adapters", *arguments]) == code
    captured = capsys.readouterr()
    assert "adapters" in captured.out + captured.err
    if code == 0:
        assert all(word in captured.out for word in ("BASE", "ADAPTER", "OUT", "--revision"))
