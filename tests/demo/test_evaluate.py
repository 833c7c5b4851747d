"""Figures are taken once for each number format, and what went wrong can be read."""

import argparse
import json
from pathlib import Path

import pytest
from demo.evaluate import failures, parsed, take
from demo.exams.case import Case, Held, Reply, Step, has
from demo.figures import figures

CASE = Case("s", "e", "en", (Step("What is my name?", has("Anna")),))
RIGHT, WRONG = Held(CASE, [Reply("Anna!")]), Held(CASE, [Reply("Bob!")])


def arguments(monkeypatch: pytest.MonkeyPatch, *words: str) -> argparse.Namespace:
    monkeypatch.setattr("sys.argv", ["evaluate", *words])
    return parsed(argparse.ArgumentParser())


def test_a_conversation_that_went_wrong_can_be_read():
    assert [row["turns"] for row in failures([RIGHT, WRONG])] == [[["What is my name?", "Bob!"]]]


def test_each_number_format_has_its_column_and_its_file_of_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    args = arguments(monkeypatch, "--dtype", "float32", "bfloat16", "--failures", str(tmp_path / "wrong"))
    table = take(args, lambda dtype: [RIGHT, WRONG if dtype == "bfloat16" else RIGHT], figures, failures)
    assert "float32" in table
    assert "bfloat16" in table
    assert (tmp_path / "wrong.float32.jsonl").read_text("utf-8") == ""
    assert json.loads((tmp_path / "wrong.bfloat16.jsonl").read_text("utf-8"))["exam"] == "s: e (en)"


@pytest.mark.parametrize("short", ["--quick", "--greedy"])
def test_only_full_figures_are_published(short: str, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SystemExit):
        arguments(monkeypatch, "--publish", short)
    assert arguments(monkeypatch, "--publish").publish
