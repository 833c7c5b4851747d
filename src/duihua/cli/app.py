"""The commands, put together; what goes wrong in them ends here."""

from __future__ import annotations

import errno
import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from duihua import __version__
from duihua.cli.failures import BROKEN_PIPE, INTERRUPTED, complain, exit_code, mute_stdout, report_bug
from duihua.config import interface_language
from duihua.errors import DuihuaError
from duihua.terminal.settings import Language

__all__ = ["build", "run"]


@dataclass(frozen=True, slots=True)
class _Command:
    name: str  # "chat", or "adapters merge" in a group
    home: str  # module and name of its `Body`, imported when the command is named
    en: str
    zh: str


_COMMANDS: Final = (
    _Command(
        "chat",
        "duihua.cli.chat:CHAT",
        "Talk to a model. Without -p and without a pipe this is a conversation at the keyboard.",
        "与模型对话。不带 -p、也不经管道时，就在键盘上交谈。",
    ),
    _Command(
        "complete",
        "duihua.cli.chat:COMPLETE",
        "Continue raw text with a model, without a chat template.",
        "用模型续写原始文本，不使用对话模板。",
    ),
    _Command(
        "serve",
        "duihua.cli.serve:SERVE_MODEL",
        "Serve a model to OpenAI clients over HTTP.",
        "通过 HTTP 向 OpenAI 客户端提供模型。",
    ),
    _Command(
        "web",
        "duihua.cli.web:WEB_PAGE",
        "Talk to a model in the browser.",
        "在浏览器中与模型对话。",
    ),
    _Command(
        "tokens",
        "duihua.cli.tokens:TOKENS",
        "List a model's special tokens, or the tokens of a text. No weights are loaded.",
        "列出模型的特殊 token，或一段文字的 token。不加载权重。",
    ),
    _Command(
        "adapters merge",
        "duihua.cli.adapters:MERGE",
        "Write a checkpoint of a base model with a LoRA adapter merged into its weights.",
        "把 LoRA 适配器并入基座模型的权重，写成新的检查点。",
    ),
    _Command(
        "doctor",
        "duihua.cli.doctor:DOCTOR",
        "Say what is installed, what runs here, and whether a model would. Nothing is loaded or downloaded.",
        "说明已安装什么、这里能运行什么、某个模型能否运行。不加载也不下载。",
    ),
    _Command(
        "config",
        "duihua.cli.settings:CONFIG",
        "Print the settings and where each comes from.",
        "打印各项设置及其来源。",
    ),
)
_GROUPS: Final = {"adapters": {"en": "Work on LoRA adapters.", "zh": "处理 LoRA 适配器。"}}
_HELP: Final = {
    "en": "Talk to an open-weights chat model that you run yourself. Start with: duihua chat",
    "zh": "与自己运行的开放权重对话模型交谈。从这里开始：duihua chat",
}


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code.

    Returns:
        0; 2 for wrong usage or settings; 3 for a model that cannot be used; 130 after Ctrl-C; 141 when the
        reader of stdout left; 128 + n after signal n; 1 for everything else.
    """
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")  # a narrow encoding loses nothing and ends nothing
    try:
        code = _run(arguments)
        _flush_stdout()
    except BrokenPipeError:
        mute_stdout()
        return BROKEN_PIPE
    except OSError:  # a full disk, which was told when it was first met
        mute_stdout()
        return 1
    return code


def _flush_stdout() -> None:
    if sys.stdout is not None:  # there is none where its descriptor was closed
        sys.stdout.flush()


def _run(arguments: Sequence[str]) -> int:
    try:
        app = build(interface_language(), arguments)
        typer.main.get_command(app)(args=list(arguments), prog_name="duihua")
    except SystemExit as ending:
        if isinstance(ending.__context__, OSError) and ending.__context__.errno == errno.EPIPE:
            raise BrokenPipeError from ending  # click says 1
        return ending.code if isinstance(ending.code, int) else 0 if ending.code is None else 1
    except DuihuaError as error:
        complain(str(error))
        return exit_code(error)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  the edge of the command
        report_bug(error, arguments)
        return 1
    return 0


def build(language: Language, arguments: Sequence[str]) -> typer.Typer:
    """The command with help in this language; a command that no argument names gets no flags, to start light."""
    app = _app(_HELP[language])
    app.callback()(_root)
    groups = {"": app}
    for command in _COMMANDS:
        group, _, name = command.name.rpartition(" ")
        if group not in groups:
            groups[group] = _app(_GROUPS[group][language])
            groups[group].callback()(_no_options)  # without one, a group of one command would be that command
            app.add_typer(groups[group], name=group)
        text = {"en": command.en, "zh": command.zh}[language]
        is_named = all(word in arguments for word in command.name.split())
        groups[group].command(name, help=text)(_body(command, language) if is_named else _no_flags)
    return app


def _app(text: str) -> typer.Typer:
    return typer.Typer(
        help=text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # rich would double the time that help takes
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _body(command: _Command, language: Language) -> Callable[..., None]:
    from duihua.cli.flags import taking

    module, _, name = command.home.partition(":")
    return _ending_well(taking(getattr(importlib.import_module(module), name), language))


def _no_options() -> None:
    """A group has none."""


def _no_flags() -> None:
    raise AssertionError("a command ran that no argument named")


def _ending_well(command: Callable[..., None]) -> Callable[..., None]:
    """Exit codes of our own for Ctrl-C and a broken pipe; Typer's depend on its version."""

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        try:
            command(**values)
            _flush_stdout()
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            mute_stdout()
            raise typer.Exit(BROKEN_PIPE) from error

    return wrapped


def _version(wanted: bool) -> None:  # noqa: FBT001  Typer calls it so
    if wanted:
        typer.echo(f"duihua {__version__}")
        raise typer.Exit


def _root(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)] = (
        False
    ),
) -> None:
    del version  # its callback has seen it
