import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from duihua.cli.app import build
from duihua.cli.chat import CHAT, COMPLETE
from duihua.cli.flags import Body, taking
from duihua.cli.settings import CONFIG
from duihua.cli.tokens import TOKENS
from duihua.cli.web import WEB_PAGE
from duihua.config import Settings, keys
from duihua.errors import ConfigError
from duihua.terminal.settings import Language

BODIES = (CHAT, COMPLETE, TOKENS, CONFIG, WEB_PAGE)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def called(body_flags: tuple[str, ...], **values: Any) -> dict[str, Any]:
    """What a command with these flags gets when it is called with these values."""
    got: dict[str, Any] = {}
    run = taking(Body(lambda **given: got.update(given), body_flags), "en")
    empty = dict.fromkeys(inspect.signature(run).parameters)
    run(**empty | values)
    return got


def test_settings_and_the_rest_are_told_apart() -> None:
    got = called(("sampling.top_p", "prompt"), sampling_top_p=0.5, prompt="hi")
    settings: Settings = got.pop("settings")
    assert got == {"prompt": "hi"}
    assert settings.sampling.top_p == 0.5
    assert settings.sources == {"sampling.top_p": "flag --top-p"}


def test_stop_strings_that_were_not_given_leave_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUIHUA_STOP", "x")
    assert called(("sampling.stop",), sampling_stop=[])["settings"].sampling.stop == ("x",)
    assert called(("sampling.stop",), sampling_stop=["a", "b"])["settings"].sampling.stop == ("a", "b")


def test_a_switch_can_be_turned_off_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUIHUA_TRUST_REMOTE_CODE", "1")
    assert called(("model.trust_remote_code",))["settings"].model.trust_remote_code is True
    off = called(("model.trust_remote_code",), model_trust_remote_code=False)
    assert off["settings"].model.trust_remote_code is False


def test_the_file_named_by_a_flag_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[sampling]\nseed = 9\n", "utf-8")
    assert called(("sampling.seed",), config=file)["settings"].sampling.seed == 9
    with pytest.raises(ConfigError, match="there is no file"):
        called(("sampling.seed",), config=tmp_path / "none.toml")


def test_tools_are_named_with_commas_and_the_others_one_by_one() -> None:
    got = called(
        CHAT.flags,
        tools_built_in="calculator, clock",
        tools_files=["a.py"],
        tools_mcp=["files=npx server", "https://x.example/mcp"],
        tools_allow=["files_*"],
    )["settings"]
    assert (got.tools.built_in, got.tools.files, got.tools.allow) == (("calculator", "clock"), ("a.py",), ("files_*",))
    assert [server.name for server in got.tools.servers()] == ["files", "x"]
    assert got.sources["tools.built_in"] == "flag --tools"


def test_what_must_be_given_has_no_default() -> None:
    required = inspect.signature(taking(TOKENS, "en")).parameters["model_model"]
    assert required.default is inspect.Parameter.empty
    assert inspect.signature(taking(CHAT, "en")).parameters["model_model"].default is None


@pytest.mark.parametrize("body", BODIES)
def test_flags_are_settings_or_parameters_of_the_command(body: Body) -> None:
    parameters = set(inspect.signature(body.run).parameters) - {"settings"}
    assert {key for key in body.flags if key not in keys()} == parameters


@pytest.mark.parametrize("body", BODIES)
def test_help_is_there_in_both_languages(body: Body) -> None:
    letters_of: dict[Language, str] = {"en": r"[A-Za-z]", "zh": r"[\u4e00-\u9fff]"}
    for language, letters in letters_of.items():
        for parameter in inspect.signature(taking(body, language)).parameters.values():
            text = parameter.annotation.__metadata__[0].help
            assert re.search(letters, text) or parameter.name in ("model_device", "model_dtype"), parameter.name
            assert language == "zh" or text.endswith("."), text


def test_names_on_the_command_line_are_unique() -> None:
    for command in ("chat", "complete", "tokens", "config", "web"):
        import typer

        built: Any = typer.main.get_command(build("en", [command]))
        options = [name for parameter in built.commands[command].params for name in parameter.opts]
        assert len(options) == len(set(options))
