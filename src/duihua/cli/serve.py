"""`duihua serve`."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from duihua import __version__
from duihua.access import Keys
from duihua.cli.flags import ENGINE, MODEL, SAMPLING, SERVE, TOOLS, Body
from duihua.cli.served_tools import check_tools, opened_tools
from duihua.config import Settings, interface_language, wants_color
from duihua.errors import ConfigError, UnsupportedModel
from duihua.terminal.loading import LoadingLine, model_lines
from duihua.terminal.output import Output, screen_of
from duihua.terminal.signals import leaving_at_once, run_to_end
from duihua.terminal.texts import Say

if TYPE_CHECKING:
    from duihua.chat.chat import Chat

__all__ = ["SERVE_MODEL", "serve"]

_LONGEST_CLOSE: Final = 10.0  # seconds
_SHORT_CLOSE: Final = 1.0  # after a second signal


def serve(settings: Settings) -> None:
    """Load a model and serve it until a signal ends that."""
    try:
        from duihua.server import address, run  # before a model is loaded
    except ImportError as error:
        raise ConfigError(f"the server needs {error.name}: pip install 'duihua[serve]'") from error
    settings.serve.check()
    check_tools(settings)
    _fill_standard_descriptors()
    keys = Keys.checked(settings.serve.api_keys, "--api-key") + Keys.read(_path(settings.serve.api_key_file))
    admin_keys = Keys.read(_path(settings.serve.admin_key_file))
    if settings.serve.adapter_dir is not None and not admin_keys:
        raise ConfigError("--adapter-dir lets adapters be loaded over HTTP: give --admin-key-file FILE as well")
    with ExitStack() as stack:
        listening = [stack.enter_context(each) for each in address.bound_sockets(settings.serve)]
        code = run_to_end(_serve(settings, listening, keys, admin_keys), new_loop=run.new_loop)
    _let_stderr_go()
    if code:
        raise typer.Exit(code)


async def _serve(settings: Settings, listening: Sequence[socket.socket], keys: Keys, admin_keys: Keys) -> None:
    from duihua.server.log import LoggedLines, start_log
    from duihua.server.run import serve as listen
    from duihua.server.service import Service

    start_log(settings.serve.log_format)
    stream = LoggedLines() if settings.serve.log_format == "json" else sys.stderr
    is_terminal = bool(stream and stream.isatty())  # there is none where its descriptor was closed
    screen = screen_of(stream, color=wants_color(settings.terminal.color, is_terminal=is_terminal))
    output, say = Output(screen, screen), Say(interface_language(settings.terminal.language))
    async with opened_tools(settings) as tools, _opened(settings, output, say) as chat:
        if not chat.info.can_chat:
            raise UnsupportedModel(f"{chat.info.name} is a base model without a chat template: it cannot be served yet")
        if tools is not None and not chat.info.knows_tools:
            raise ConfigError(f"{chat.info.name} is not told of tools by its chat template: leave --serve-tools out")
        with suppress(OSError):  # where stderr takes nothing (a full disk), there is still a server
            model_lines(output, say, chat.info, chat.adapters)
        service = Service(
            chat,
            settings.serve,
            keys=keys,
            admin_keys=admin_keys,
            defaults=settings.sampling,
            version=__version__,
            tools=tools,
        )
        in_haste = await listen(service, listening, lambda url: _tell(output, say("serving", url=url)))
        # An engine that is being started again cannot be stopped; its processes end with this one.
        asyncio.get_running_loop().call_later(_SHORT_CLOSE if in_haste else _LONGEST_CLOSE, os._exit, 0)


@asynccontextmanager
async def _opened(settings: Settings, output: Output, say: Say) -> AsyncGenerator[Chat]:
    """The model, loaded and closed."""
    first = say("loading", version=__version__, model=settings.model.model or say("default_model"))
    with LoadingLine(output, say, first) as line, leaving_at_once(line.stop):
        from duihua.api.compose import open_chat

        chat = await open_chat(
            settings.model, settings.engine, on_progress=line.on_progress, restarts=settings.serve.restart_engine
        )
    try:
        yield chat
    finally:
        with leaving_at_once(lambda: None):  # a further signal does not wait for the engine's end
            await chat.aclose()


def _tell(output: Output, text: str) -> None:
    with suppress(OSError):
        output.note(text)


def _fill_standard_descriptors() -> None:
    """Where one is closed, a connection would take its number, and get what libraries write there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _let_stderr_go() -> None:
    """What it still holds and cannot write would else be the exit code (120)."""
    if (stderr := sys.stderr) is None:
        return
    try:
        stderr.flush()
    except OSError:
        with Path(os.devnull).open("wb") as null:
            os.dup2(null.fileno(), stderr.fileno())


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


SERVE_MODEL: Final = Body(serve, ("model.model", *SERVE, *TOOLS, *SAMPLING, *MODEL, *ENGINE))
