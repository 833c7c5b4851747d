import io

import pytest

from duihua import errors
from duihua.cli.failures import complain, exit_code, mute_stdout, report_bug
from duihua.errors import ConfigError, DuihuaError, EngineDead, InvalidParameter, ModelNotFound


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (ModelNotFound("x"), 3),
        (InvalidParameter("top_p", 2, "no"), 1),
        (EngineDead("x"), 1),
        (DuihuaError("x"), 1),
    ],
)
def test_the_code_says_who_can_act(error: DuihuaError, code: int) -> None:
    assert exit_code(error) == code


def test_every_model_error_exits_3() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__]
    codes = {kind.__name__: exit_code(kind.__new__(kind)) for kind in kinds}
    assert {name for name, code in codes.items() if code == 3} == {
        "AdapterRejected",
        "ModelError",
        "ModelLoadFailed",
        "ModelNotFound",
        "UnsupportedModel",
    }
    assert {name for name, code in codes.items() if code == 2} == {"ConfigError"}


def test_a_complaint_is_one_plain_line_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    complain("something is wrong")
    assert capsys.readouterr().err == "duihua: something is wrong\n"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_color", "red"), [("", True), ("1", False)])
def test_a_complaint_is_red_on_a_terminal_unless_unwanted(
    monkeypatch: pytest.MonkeyPatch, no_color: str, red: bool
) -> None:
    screen = _Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", no_color)
    complain("oh")
    assert ("\x1b[31m" in screen.getvalue()) is red


def test_a_complaint_to_a_closed_terminal_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    screen.close()
    monkeypatch.setattr("sys.stderr", screen)
    complain("nobody hears")


def test_a_bug_is_one_line_with_a_way_to_see_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DUIHUA_DEBUG", raising=False)
    report_bug(KeyError("x"), ["chat", "demo"])
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "unexpected KeyError: 'x'" in told
    assert "DUIHUA_DEBUG=1 duihua chat" in told


def test_debugging_shows_where_it_came_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUIHUA_DEBUG", "1")
    try:
        {}["x"]  # pyright: ignore[reportUnusedExpression]
    except KeyError as error:
        report_bug(error, [])
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "DUIHUA_DEBUG=1" not in told


def test_muting_leaves_a_stream_without_a_descriptor_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    mute_stdout()
