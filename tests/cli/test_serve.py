"""`duihua serve`: what is refused before a model is loaded."""

from collections.abc import Callable
from pathlib import Path

import pytest

from duihua.cli.app import run

Tell = Callable[..., str]


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Tell:
    """Run one command line that cannot be followed; what it says, after its exit code."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def told(*arguments: str) -> str:
        code = run(["serve", *arguments])
        return f"{code} {capfd.readouterr().err}"

    return told


def keys_in(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_an_address_beyond_this_machine_needs_keys(tell: Tell):
    assert tell("--host", "0.0.0.0").startswith("2 ")
    assert "--api-key-file" in tell("--host", "0.0.0.0")


@pytest.mark.parametrize(("text", "said"), [("", "holds no key"), ("# nothing\n", "holds no key"), ("short", "longer")])
def test_a_file_of_keys_holds_keys(tell: Tell, tmp_path: Path, text: str, said: str):
    told = tell("--api-key-file", keys_in(tmp_path / "keys", text))
    assert told.startswith("2 ")
    assert said in told


def test_a_key_on_the_command_line_is_fit_to_be_one(tell: Tell):
    assert "--api-key holds a key of less than" in tell("--api-key", "short")
    guarded = ("--host", "0.0.0.0", "--api-key", "open-sesame")
    assert "there is no such file" in tell(*guarded, "--tls-cert", "nocert", "--tls-key", "nokey")


def test_a_file_that_is_not_there_is_named(tell: Tell, tmp_path: Path):
    assert "nokeys" in tell("--api-key-file", str(tmp_path / "nokeys"))
    assert "nocert" in tell("--tls-cert", str(tmp_path / "nocert"), "--tls-key", str(tmp_path / "nokey"))


def test_half_a_tls_pair_is_refused(tell: Tell, tmp_path: Path):
    assert "both" in tell("--tls-cert", keys_in(tmp_path / "cert", ""))


def test_adapters_over_http_need_an_admin_key(tell: Tell, tmp_path: Path):
    assert "--admin-key-file" in tell("--adapter-dir", str(tmp_path))


def test_a_bound_that_cannot_be_is_named_with_its_flag(tell: Tell):
    assert tell("--max-choices", "0").startswith("2 ")
    assert "max_choices" in tell("--max-choices", "0")


def test_a_model_that_is_not_there_is_told_as_anywhere(tell: Tell, tmp_path: Path):
    assert tell(str(tmp_path / "nowhere"), "--port", "0").startswith("3 ")
