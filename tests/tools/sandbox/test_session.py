"""Statements run one after the other, with their variables, and say what comes of them."""

from __future__ import annotations

import base64
import io
import sys
from typing import Any

import pytest
from PIL import Image

from duihua.tools.sandbox.session import Session


def run(*cells: str, most: int = 4) -> dict[str, Any]:
    session = Session(most)
    results = [session.run(cell) for cell in cells]
    return results[-1]


def test_variables_stay_and_the_last_expression_is_shown() -> None:
    assert run("x = 3", "def f(): return x * 2", "f()") == {"error": None, "value": "6", "pictures": []}
    assert run("5", "_ + 1")["value"] == "6"


@pytest.mark.parametrize("code", ["", "x = 1", "None", "# nothing", "if 1: 3"])
def test_what_has_no_value_shows_none(code: str) -> None:
    assert run(code) == {"error": None, "value": None, "pictures": []}


def test_what_is_printed_is_not_the_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("print('a')")["value"] is None
    assert capsys.readouterr().out == "a\n"


@pytest.mark.parametrize(
    ("code", "last"),
    [
        ("1/0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class A:\n  def __repr__(self): raise ValueError('no')\nA()", "ValueError: no"),
        ("x\0", ""),
    ],
)
def test_errors_are_told_with_the_code_s_own_lines(code: str, last: str) -> None:
    error = run("y = 1", code)["error"]
    assert last in error
    assert "session.py" not in error
    assert "<cell 2>" in error or not last or "repr" in code


def test_the_line_that_failed_is_quoted() -> None:
    assert "    return 1 / zero" in run("def f(zero):\n    return 1 / zero", "f(0)")["error"]


def test_a_value_without_end_is_cut() -> None:
    value = run("'x' * 1_000_000")["value"]
    assert len(value) < 9_000
    assert value.endswith("(1,000,002 characters)")


def test_an_error_without_end_is_cut_in_its_middle() -> None:
    error = run("raise ValueError('x' * 100_000 + 'end')")["error"]
    assert len(error) < 9_000
    assert error.startswith("Traceback")
    assert error.endswith("end")


def test_a_picture_as_the_value_is_a_picture() -> None:
    result = run("from PIL import Image", "Image.new('RGB', (3, 2), 'red')")
    assert result["value"] is None
    assert Image.open(io.BytesIO(base64.b64decode(result["pictures"][0]))).size == (3, 2)


def test_figures_are_drawn_once_and_closed() -> None:
    plot = "import matplotlib; matplotlib.use('agg')\nfrom matplotlib import pyplot\npyplot.plot([1, 2])"
    session = Session(1)
    first = session.run(f"{plot}\npyplot.figure(); None")
    assert len(first["pictures"]) == 1
    assert Image.open(io.BytesIO(base64.b64decode(first["pictures"][0]))).format == "PNG"
    assert session.run("pyplot.get_fignums()") == {"error": None, "value": "[]", "pictures": []}


def test_a_figure_that_cannot_be_drawn_fails_its_own_cell_only() -> None:
    broken = "import matplotlib.pyplot as plt\nf = plt.figure()\nf.savefig = lambda *a, **k: 1 / 0"
    session = Session(4)
    assert "ZeroDivisionError" in session.run(broken)["error"]
    assert session.run("1") == {"error": None, "value": "1", "pictures": []}


@pytest.mark.parametrize("stream", ["None", "open('/dev/null')", "type('S', (), {})()"])
def test_code_may_put_anything_in_the_place_of_its_output(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", sys.stdout)
    assert (
        run(f"import sys; sys.stdout = {stream}", "try: sys.stdout.close()\nexcept Exception: pass", "7")["value"]
        == "7"
    )
