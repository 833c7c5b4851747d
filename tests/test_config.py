import os
from pathlib import Path
from typing import Any

import pytest

from duihua.config import (
    ModelSettings,
    Settings,
    config_file,
    graphics_of,
    interface_language,
    is_debugging,
    keys,
    read_settings,
    variable_of,
    wants_color,
)
from duihua.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    path = folder / "duihua.toml"
    path.write_text(text, "utf-8")
    return path


def read(file: Path | None = None, environ: dict[str, str] | None = None, **flags: object) -> Settings:
    """Settings from a file, variables, and flags named table_name with two underscores between."""
    named = {key.replace("__", "."): value for key, value in flags.items()}
    return read_settings(named, file=file, environ=environ or {})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_nothing_said_is_all_defaults() -> None:
    settings = read()
    assert settings.model == ModelSettings()
    assert settings.sampling.temperature is None
    assert settings.terminal.language == "auto"
    assert settings.sources == {}


def test_a_flag_is_before_a_variable_before_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "[sampling]\ntemperature = 0.1\ntop_p = 0.1\ntop_k = 1\n")
    settings = read(file, {"DUIHUA_TEMPERATURE": "0.2", "DUIHUA_TOP_P": "0.2"}, sampling__temperature=0.3)
    sampling = settings.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (0.3, 0.2, 1)
    assert settings.sources["sampling.temperature"] == "flag --temperature"
    assert settings.sources["sampling.top_p"] == "DUIHUA_TOP_P"
    assert settings.sources["sampling.top_k"] == str(file)


def test_a_flag_that_was_not_given_changes_nothing() -> None:
    assert read(None, {"DUIHUA_SEED": "4"}, sampling__seed=None).sampling.seed == 4


def test_every_setting_has_a_variable_of_its_own() -> None:
    variables = [variable_of(key) for key in keys()]
    assert len(variables) == len(set(variables))
    assert variable_of("sampling.top_p") == "DUIHUA_TOP_P"


def test_values_have_the_type_of_their_setting() -> None:
    environ = {
        "DUIHUA_CONTEXT_WINDOW": "512",
        "DUIHUA_TRUST_REMOTE_CODE": "yes",
        "DUIHUA_STOP": "。",
        "DUIHUA_LOGIT_BIAS": '{"5": -1}',
        "DUIHUA_STOP_TOKEN_IDS": "[1, 2]",
    }
    settings = read(None, environ)
    assert settings.model.context_window == 512
    assert settings.model.trust_remote_code is True
    assert settings.sampling.stop == ("。",)
    assert settings.sampling.logit_bias == {5: -1.0}
    assert settings.sampling.stop_token_ids == (1, 2)


def test_an_empty_variable_says_nothing() -> None:
    assert read(None, {"DUIHUA_TEMPERATURE": ""}).sampling.temperature is None


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"DUIHUA_TEMPERATURE": "hot"}, "DUIHUA_TEMPERATURE='hot' is not possible: give a number"),
        ({"DUIHUA_TOP_K": "1.5"}, "DUIHUA_TOP_K='1.5' is not possible: give a whole number"),
        ({"DUIHUA_TOP_P": "2"}, "DUIHUA_TOP_P: top_p=2.0 is not possible: give a number above 0 and up to 1"),
        ({"DUIHUA_ALLOW_PICKLE": "maybe"}, "give true or false"),
        ({"DUIHUA_OVERLONG": "left"}, "give one of head, tail, middle"),
        ({"DUIHUA_TEMPRATURE": "1"}, "unknown variable DUIHUA_TEMPRATURE: did you mean DUIHUA_TEMPERATURE"),
    ],
)
def test_a_bad_variable_is_named(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(None, environ)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sampling]\ntemprature = 1\n", "unknown key sampling.temprature: did you mean sampling.temperature?"),
        ("[model]\ntemperature = 1\n", "unknown key model.temperature: did you mean sampling.temperature?"),
        ("temperature = 1\n", "unknown key temperature: did you mean sampling.temperature?"),
        ("[sampel]\ntop_p = 1\n", "unknown table [sampel]: did you mean [sampling]?"),
        ("[model]\naliases = {}\n", "unknown key model.aliases"),
        ("[sampling]\ntop_p = '0.5'\n", "sampling.top_p = '0.5' is not possible: give a number"),
        ("[sampling]\ntop_k = true\n", "give a whole number"),
        ("[sampling]\nstop = [1]\n", "give a list, each text or text"),
        ("[sampling]\ntemperature = -1\n", "temperature=-1.0 is not possible"),
        ("[alias]\nglm = 4\n", "alias.glm = 4 is not possible: give text"),
        ("[model\n", "cannot be read"),
    ],
)
def test_a_bad_key_names_the_file_and_the_nearest(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read(file)
    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)


def test_a_context_window_that_cannot_be_is_refused_before_any_model() -> None:
    with pytest.raises(ConfigError, match="context_window=1"):
        read(model__context_window=1)


def test_aliases_are_read_and_told(tmp_path: Path) -> None:
    settings = read(written(tmp_path, '[alias]\nglm = "/models/glm-4"\n"my model" = "org/name"\n'))
    assert settings.model.aliases == {"glm": "/models/glm-4", "my model": "org/name"}
    assert ("alias.glm", "/models/glm-4", str(settings.file)) in list(settings.rows())


def test_paths_may_begin_with_the_home_directory(tmp_path: Path) -> None:
    assert read(None, {"DUIHUA_CACHE_DIR": "~/cache"}).model.cache_dir == str(tmp_path / "cache")


def test_rows_tell_every_setting_with_its_source() -> None:
    rows = {key: (value, source) for key, value, source in read(None, {"DUIHUA_SEED": "1"}).rows()}
    assert rows["sampling.seed"] == (1, "DUIHUA_SEED")
    assert rows["model.engine"] == ("auto", None)
    assert set(rows) == set(keys())


def test_the_file_of_the_user_s_configuration_directory_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "duihua"
    folder.mkdir(parents=True)
    file = written(folder, "[terminal]\nsystem = '你是助手'\n")
    settings = read()
    assert settings.file == file
    assert settings.terminal.system == "你是助手"


def test_a_file_in_the_working_directory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "[model]\ntrust_remote_code = true\n")
    monkeypatch.chdir(tmp_path)
    assert read().model.trust_remote_code is False


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    gone = tmp_path / "gone.toml"
    for arguments in ((gone, {}), (None, {"DUIHUA_CONFIG": str(gone)})):
        with pytest.raises(ConfigError, match="there is no file"):
            read(*arguments)


def test_the_flag_names_the_file_before_the_variable(tmp_path: Path) -> None:
    assert config_file(tmp_path / "a", {"DUIHUA_CONFIG": "b"}) == (tmp_path / "a", True)
    assert config_file(None, {"DUIHUA_CONFIG": "b"}) == (Path("b"), True)


@pytest.mark.parametrize(
    ("setting", "environ", "language"),
    [
        ("zh", {"LANG": "en_US.UTF-8"}, "zh"),
        ("en", {"LANG": "zh_CN.UTF-8"}, "en"),
        ("auto", {"LANG": "zh_CN.UTF-8"}, "zh"),
        ("auto", {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ("auto", {"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_TW"}, "zh"),
        ("auto", {"LANG": "en_US.UTF-8", "DUIHUA_LANGUAGE": "zh"}, "zh"),
        ("auto", {"LC_ALL": "de_DE.UTF-8"}, "en"),
        (None, {"LC_ALL": "zh_CN.GBK"}, "zh"),
    ],
)
def test_the_language_is_the_locale_s_unless_set(setting: str | None, environ: dict[str, str], language: str) -> None:
    assert interface_language(setting, environ) == language  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("setting", "is_terminal", "environ", "colored"),
    [
        ("auto", True, {"TERM": "xterm"}, True),
        ("auto", False, {"TERM": "xterm"}, False),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"NO_COLOR": ""}, True),
        ("auto", True, {"TERM": "dumb"}, False),
        ("always", False, {"NO_COLOR": "1"}, True),
        ("never", True, {}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    setting: str, is_terminal: bool, environ: dict[str, str], colored: bool
) -> None:
    assert wants_color(setting, is_terminal=is_terminal, environ=environ) is colored  # pyright: ignore[reportArgumentType]


def test_pictures_are_drawn_where_the_terminal_is_known_to_unless_it_is_said() -> None:
    kitty, other = {"TERM": "xterm-kitty"}, {"TERM": "xterm"}
    assert [graphics_of("auto", is_terminal=True, environ=environ) for environ in (kitty, other)] == ["kitty", None]
    assert graphics_of("auto", is_terminal=False, environ=kitty) is None
    assert graphics_of("sixel", is_terminal=True, environ=other) == "sixel"
    assert graphics_of("sixel", is_terminal=False, environ=other) is None
    assert graphics_of("never", is_terminal=True, environ=kitty) is None


@pytest.mark.parametrize(("text", "debugging"), [("1", True), ("yes", True), ("", False), ("0", False), ("off", False)])
def test_debugging_is_asked_for_by_a_variable(text: str, debugging: bool) -> None:
    assert is_debugging({"DUIHUA_DEBUG": text}) is debugging
    assert is_debugging({}) is False
    assert read(None, {"DUIHUA_DEBUG": text}).sources == {}


def test_a_model_may_be_given_as_a_path() -> None:
    paths: dict[str, Any] = {name: Path("models") / name for name in ("model", "base", "tokenizer", "cache_dir")}
    adapters: Any = {"pirate": Path("a")}
    settings = ModelSettings(**paths, adapters=adapters)
    assert (settings.model, settings.base, settings.tokenizer, settings.cache_dir) == tuple(map(str, paths.values()))
    assert settings.adapters == {"pirate": "a"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("context_window", "abc"),
        ("context_window", 100.5),
        ("context_window", True),
        ("context_window", 1),
        ("model", 5),
        ("base", 5),
        ("adapters", ["a"]),
        ("cache_dir", ["a"]),
        ("trust_remote_code", "false"),
        ("allow_pickle", 1),
    ],
)
def test_a_model_setting_of_the_wrong_kind_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name}=.* is not possible: give"):
        ModelSettings(**{name: value})


def test_an_adapter_that_is_no_path_is_named() -> None:
    adapters: Any = {"pirate": 5}
    with pytest.raises(ConfigError, match=r"adapters\['pirate'\]=5 is not possible"):
        ModelSettings(adapters=adapters)


def test_a_context_window_that_cannot_be_names_its_source(tmp_path: Path) -> None:
    file = written(tmp_path, "[model]\ncontext_window = 1\n")
    with pytest.raises(ConfigError) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file}: context_window=1 is not possible")
    with pytest.raises(ConfigError, match=r"^DUIHUA_CONTEXT_WINDOW: context_window=1"):
        read(None, {"DUIHUA_CONTEXT_WINDOW": "1"})


def test_a_byte_order_mark_before_the_file_is_no_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "duihua.toml"
    file.write_text("[sampling]\ntop_k = 3\n", "utf-8-sig")
    assert read(file).sampling.top_k == 3


@pytest.mark.parametrize("variable", ["DUIHUA_CONFIG", "DUIHUA_TOKENIZER", "DUIHUA_CACHE_DIR"])
def test_the_home_directory_of_nobody_is_told(variable: str) -> None:
    with pytest.raises(ConfigError, match=f"^{variable}: ~nobody-of-this-name/x begins with a home directory"):
        read(None, {variable: "~nobody-of-this-name/x"})


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x = " + b"[" * 100_000])
def test_a_file_that_is_no_toml_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "duihua.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"duihua\.toml cannot be read"):
        read(file)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is forbidden to this user")
@pytest.mark.parametrize("closed", ["duihua", "duihua/duihua.toml"])
def test_a_configuration_that_may_not_be_read_is_told(tmp_path: Path, closed: str) -> None:
    folder = tmp_path / "config" / "duihua"
    folder.mkdir(parents=True)
    written(folder, "")
    (tmp_path / "config" / closed).chmod(0)
    try:
        with pytest.raises(ConfigError, match=r"duihua\.toml cannot be read: .*check its permissions"):
            read()
    finally:
        (tmp_path / "config" / closed).chmod(0o700)


def test_tools_are_a_table_with_tables_in_it(tmp_path: Path) -> None:
    text = (
        '[tools]\nbuilt_in = ["calculator"]\nrounds = 3\n[tools.approval]\n"files_*" = "always"\n'
        '[tools.mcp.files]\ncommand = ["npx", "server"]\n[tools.python]\nseconds = 5\n'
    )
    tools = read(written(tmp_path, text), {"DUIHUA_TOOLS_FILES": '["a.py"]'}).tools
    assert (tools.built_in, tools.files, tools.rounds) == (("calculator",), ("a.py",), 3)
    assert tools.approval_of("files_read") == "always"
    assert tools.servers()[0].command == ["npx", "server"]
    assert tools.python_settings().seconds == 5
    with pytest.raises(ConfigError, match=r"tools\.approval"):
        read(written(tmp_path, '[tools.approval]\nclock = "sometimes"\n'))


def test_tools_of_a_file_in_the_working_directory_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, '[tools]\nmcp = ["anything"]\n')
    monkeypatch.chdir(tmp_path)
    assert not read().tools
