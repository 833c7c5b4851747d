"""Settings of all rooms: defaults, then duihua.toml, then DUIHUA_* variables, then flags.

This module alone reads the environment and duihua.toml. The file is the one in the user's configuration directory,
or the one named by `--config` or DUIHUA_CONFIG. A duihua.toml in the working directory is not read: a directory
that was downloaded must not be able to allow remote code.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, cast, get_type_hints

from duihua.engine.settings import EngineSettings
from duihua.errors import ConfigError, InvalidParameter
from duihua.sampling import Sampling
from duihua.server.settings import ServeSettings
from duihua.terminal.graphics import graphics_known
from duihua.terminal.settings import Graphics, Language, TerminalSettings
from duihua.terminal.values import from_text, from_value
from duihua.tools.settings import ToolSettings
from duihua.web.settings import WebSettings

__all__ = [
    "ModelSettings",
    "Settings",
    "ToolSettings",
    "config_file",
    "graphics_of",
    "history_file",
    "interface_language",
    "is_debugging",
    "keys",
    "new_log_file",
    "read_settings",
    "variable_of",
    "wants_color",
]

_PREFIX: Final = "DUIHUA_"
_OTHER_VARIABLES: Final = ("DUIHUA_CONFIG", "DUIHUA_DEBUG")
_TOLD_IN_FULL: Final = ("serve", "tools", "web")  # tables whose variables have the table in their name
_SHORT_FLAGS: Final = {"model.model": "MODEL", "terminal.language": "--lang", "tools.built_in": "--tools"}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Which model to load, and how.

    `model`, `base`, `tokenizer`, `cache_dir` and adapters may also be given as paths; they are kept as text.

    Raises:
        ConfigError: a context window, a path or a yes-or-no that cannot be; names it.
    """

    model: str | None = None  # a directory, an alias, a bundled name or a hub id; None: the demo
    base: str | None = None  # of an adapter; None: the one its adapter_config.json names
    adapters: Mapping[str, str] = field(default_factory=dict[str, str])  # LoRA to load: name -> directory
    engine: str = "auto"  # "transformers", "vllm"; "auto": the best for this machine
    device: str = "auto"  # "cpu", "cuda:0", "mps"
    dtype: str = "auto"  # "float32", "bfloat16", "float16"
    context_window: int | None = None  # tokens of prompt and answer together; None: the model's own
    tokenizer: str | None = None  # a directory whose tokenizer stands in for the checkpoint's
    revision: str | None = None  # of a hub model: branch, tag or commit
    cache_dir: str | None = None  # where downloads are kept; None: the hub's own cache
    trust_remote_code: bool = False  # run Python code that comes with the checkpoint
    allow_pickle: bool = False  # read pickled weights, which can run code too
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])  # own names for models

    def __post_init__(self) -> None:
        try:
            self._check_paths()
            self._check_values()
        except InvalidParameter as error:
            raise ConfigError(str(error)) from error

    def _check_paths(self) -> None:
        for name in ("model", "base", "tokenizer", "cache_dir"):
            object.__setattr__(self, name, _path_as_text(name, getattr(self, name)))
        adapters: Any = self.adapters
        if not isinstance(adapters, Mapping):
            raise InvalidParameter("adapters", adapters, "give a table of names and directories")
        paths = {name: _path_as_text(f"adapters[{name!r}]", path) for name, path in adapters.items()}
        object.__setattr__(self, "adapters", paths)

    def _check_values(self) -> None:
        window: Any = self.context_window
        if window is not None and (not isinstance(window, int) or isinstance(window, bool) or window < 2):
            raise InvalidParameter("context_window", window, "give a whole number from 2")
        for name in ("trust_remote_code", "allow_pickle"):
            value: object = getattr(self, name)
            if not isinstance(value, bool):
                raise InvalidParameter(name, value, "give True or False")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that was set, and where."""

    model: ModelSettings
    engine: EngineSettings  # device, dtype and the like are in `model`
    sampling: Sampling
    terminal: TerminalSettings
    tools: ToolSettings
    serve: ServeSettings
    web: WebSettings
    file: Path  # the duihua.toml that was read, or would have been
    sources: Mapping[str, str]  # "sampling.top_p" -> "DUIHUA_TOP_P"; what was not said is not in it

    def rows(self) -> Iterator[tuple[str, object, str | None]]:
        """(key, value, source) of every setting, aliases last; the source of a default is None."""
        for key in keys():
            table, _, name = key.partition(".")
            yield key, getattr(getattr(self, table), name), self.sources.get(key)
        for name, model in self.model.aliases.items():
            yield f"alias.{name}", model, self.sources.get(f"alias.{name}")


@dataclass(frozen=True, slots=True)
class _Said:
    value: object
    source: str


@functools.cache
def keys() -> Mapping[str, object]:
    """Every setting but the aliases: "table.name" to its annotation."""
    tables = {
        "model": ModelSettings,
        "engine": EngineSettings,
        "sampling": Sampling,
        "terminal": TerminalSettings,
        "tools": ToolSettings,
        "serve": ServeSettings,
        "web": WebSettings,
    }
    hints = {table: get_type_hints(kind) for table, kind in tables.items()}
    del hints["model"]["aliases"]
    for name in (*hints["model"].keys() & hints["engine"].keys(), "log_file"):
        del hints["engine"][name]
    return {f"{table}.{name}": hint for table, names in hints.items() for name, hint in names.items()}


_PATHS: Final = ("model.tokenizer", "model.cache_dir")


def variable_of(key: str) -> str:
    """The environment variable of a setting: DUIHUA_TOP_P for "sampling.top_p", DUIHUA_WEB_PORT for "web.port"."""
    table, _, name = key.partition(".")
    return _PREFIX + (f"{table}_{name}" if table in _TOLD_IN_FULL else name).upper()


def read_settings(
    flags: Mapping[str, object] | None = None,
    *,
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Put the settings together: flag before variable before duihua.toml before default.

    Args:
        flags: values by key ("sampling.top_p"); None means that the flag was not given.
        file: the file named by `--config`; it must exist.
        environ: the environment variables; the process's own when None.

    Raises:
        ConfigError: an unknown key or variable (with the nearest one), a value that cannot be, a file that cannot
            be read; names where it was said.
    """
    environ = os.environ if environ is None else environ
    path, is_named = config_file(file, environ)
    said = _from_file(path, must_exist=is_named) | _from_variables(environ)
    for key, value in (flags or {}).items():
        if value is not None:
            said[key] = _Said(value, f"flag {_flag_of(key)}")
    for key in _PATHS:
        if key in said:
            source = said[key].source
            said[key] = _Said(str(_expanded(str(said[key].value), source)), source)
    aliases = {key.removeprefix("alias."): str(s.value) for key, s in said.items() if key.startswith("alias.")}
    return Settings(
        model=_make(ModelSettings, "model", said, aliases=aliases),
        engine=_make(EngineSettings, "engine", said),
        sampling=_make(Sampling, "sampling", said),
        terminal=_make(TerminalSettings, "terminal", said),
        tools=_make(ToolSettings, "tools", said),
        serve=_make(ServeSettings, "serve", said),
        web=_make(WebSettings, "web", said),
        file=path,
        sources={key: value.source for key, value in said.items()},
    )


def config_file(named: Path | None = None, environ: Mapping[str, str] | None = None) -> tuple[Path, bool]:
    """The duihua.toml to read, and whether somebody named it.

    Raises:
        ConfigError: DUIHUA_CONFIG begins with the home directory of nobody.
    """
    import platformdirs

    environ = os.environ if environ is None else environ
    if named is not None:
        return named, True
    if variable := environ.get("DUIHUA_CONFIG"):
        return _expanded(variable, "DUIHUA_CONFIG"), True
    return platformdirs.user_config_path("duihua") / "duihua.toml", False


def history_file() -> Path:
    """Where the terminal keeps what was typed: in the user's state directory."""
    import platformdirs

    return platformdirs.user_state_path("duihua") / "history"


def new_log_file() -> Path:
    """Where an engine that runs in processes of its own writes its log: in the user's state directory."""
    import platformdirs

    return platformdirs.user_state_path("duihua") / "logs" / f"engine-{os.getpid()}.log"


def is_debugging(environ: Mapping[str, str] | None = None) -> bool:
    """Whether DUIHUA_DEBUG asks for tracebacks."""
    environ = os.environ if environ is None else environ
    return environ.get("DUIHUA_DEBUG", "").lower() not in ("", "0", "false", "no", "off")


def interface_language(
    setting: Literal["auto", "en", "zh"] | None = None, environ: Mapping[str, str] | None = None
) -> Language:
    """The language of the interface: as set, else as DUIHUA_LANGUAGE or the locale says, else English."""
    environ = os.environ if environ is None else environ
    wanted = setting if setting not in (None, "auto") else environ.get("DUIHUA_LANGUAGE")
    if wanted in ("en", "zh"):
        return wanted
    import locale

    # POSIX order (IEEE Std 1003.1, section 8.2); the C library's own answer serves where none is set.
    variables = (environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    name = next((value for value in variables if value), None) or locale.getlocale()[0] or ""
    return "zh" if name.lower().startswith(("zh", "chinese")) else "en"


def wants_color(
    setting: Literal["auto", "always", "never"], *, is_terminal: bool, environ: Mapping[str, str] | None = None
) -> bool:
    """Whether to colour a stream; "auto" honours NO_COLOR (https://no-color.org) and TERM=dumb."""
    environ = os.environ if environ is None else environ
    if setting != "auto":
        return setting == "always"
    return is_terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def graphics_of(
    setting: Literal["auto", "kitty", "iterm2", "sixel", "never"],
    *,
    is_terminal: bool,
    environ: Mapping[str, str] | None = None,
) -> Graphics | None:
    """How this terminal draws pictures, None where it does not; "auto": as the environment says of it."""
    if not is_terminal or setting == "never":
        return None
    return graphics_known(os.environ if environ is None else environ) if setting == "auto" else setting


def _path_as_text(name: str, value: object) -> str | None:
    if isinstance(value, os.PathLike):
        return os.fsdecode(cast("os.PathLike[str]", value))
    if value is not None and not isinstance(value, str):
        raise InvalidParameter(name, value, "give text or a path")
    return value


def _flag_of(key: str) -> str:
    return _SHORT_FLAGS.get(key, "--" + key.partition(".")[2].replace("_", "-"))


def _expanded(text: str, source: str) -> Path:
    """A path with `~` or `~name` at its beginning resolved."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{source}: {text} begins with a home directory that cannot be found: check it") from error


def _content(path: Path, *, must_exist: bool) -> dict[str, Any]:
    """The tables of a TOML file, none where there need not be one."""
    import tomllib

    try:
        if path.is_file():
            return tomllib.loads(path.read_text("utf-8-sig"))
    except PermissionError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, or no TOML
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if must_exist:
        raise ConfigError(f"there is no file {path}: check --config or DUIHUA_CONFIG")
    return {}


def _from_file(path: Path, *, must_exist: bool) -> dict[str, _Said]:
    said: dict[str, _Said] = {}
    for table, names in _content(path, must_exist=must_exist).items():
        if not isinstance(names, dict):
            raise ConfigError(f"{path}: {_unknown(table, 'key', keys())}")
        if table != "alias" and not any(key.startswith(f"{table}.") for key in keys()):
            tables = [f"[{name}]" for name in dict.fromkeys(key.partition(".")[0] for key in keys())]
            raise ConfigError(f"{path}: {_unknown(f'[{table}]', 'table', tables)}")
        for name, value in cast("dict[str, Any]", names).items():
            said[f"{table}.{name}"] = _Said(_from_toml(f"{table}.{name}", value, path), str(path))
    return said


def _from_toml(key: str, value: object, path: Path) -> object:
    kind = str if key.startswith("alias.") else keys().get(key)
    if kind is None:
        raise ConfigError(f"{path}: {_unknown(key, 'key', keys())}")
    try:
        return from_value(kind, value)
    except ValueError as error:
        raise ConfigError(f"{path}: {key} = {value!r} is not possible: give {error}") from error


def _from_variables(environ: Mapping[str, str]) -> dict[str, _Said]:
    known, said = {variable_of(key): key for key in keys()}, dict[str, _Said]()
    for variable, text in environ.items():
        if not variable.startswith(_PREFIX) or variable in _OTHER_VARIABLES or not text:
            continue
        key = known.get(variable)
        if key is None:
            raise ConfigError(_unknown(variable, "variable", [*known, *_OTHER_VARIABLES]))
        try:
            said[key] = _Said(from_text(keys()[key], text), variable)
        except ValueError as error:
            raise ConfigError(f"{variable}={text!r} is not possible: give {error}") from error
    return said


def _unknown(said: str, what: str, known: Mapping[str, object] | list[str]) -> str:
    """The sentence about a name nobody knows, with the nearest one; tables count where only the name fits."""
    import difflib

    name = said.rpartition(".")[2]
    same = [key for key in known if key.rpartition(".")[2] == name]
    near = same or difflib.get_close_matches(said, known, n=1)
    if not near:
        by_name = {key.rpartition(".")[2]: key for key in known}
        near = [by_name[match] for match in difflib.get_close_matches(name, by_name, n=1)]
    return f"unknown {what} {said}" + (f": did you mean {near[0]}?" if near else ": `duihua config` lists them all")


def _make(kind: type[_T], table: str, said: Mapping[str, _Said], **more: object) -> _T:
    """A room's settings; what cannot be is told with the place where it was said."""
    mine = {key.partition(".")[2]: s for key, s in said.items() if key.startswith(f"{table}.")}
    try:
        return kind(**{name: s.value for name, s in mine.items()}, **more)
    except (InvalidParameter, ConfigError) as error:
        fault = error.__cause__ if isinstance(error, ConfigError) else error
        name = fault.name if isinstance(fault, InvalidParameter) else ""
        source = mine[name].source if name in mine else table
        raise ConfigError(f"{source}: {error}") from error
