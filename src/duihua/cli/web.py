"""`duihua web`: load the model, and serve the page over it."""

from __future__ import annotations

import importlib.util
import socket
import sys
from contextlib import aclosing, closing
from typing import Final

import typer

from duihua import __version__
from duihua.cli.flags import ENGINE, MODEL, SAMPLING, TERMINAL, WEB, Body
from duihua.config import Settings, interface_language, wants_color
from duihua.errors import ConfigError, InvalidParameter, UnsupportedModel
from duihua.terminal.loading import LoadingLine, model_lines
from duihua.terminal.output import Output, screen_of
from duihua.terminal.signals import leaving_at_once, run_to_end
from duihua.terminal.texts import Say
from duihua.web import texts
from duihua.web.address import bound_socket, url_of

__all__ = ["WEB_PAGE", "web"]


def web(settings: Settings) -> None:
    """Load a model and serve the page over it until a signal ends that.

    Raises:
        ConfigError: an address that others can reach, or none; settings that cannot be; Gradio is not installed.
        ModelError: see `open_chat`.
    """
    settings.web.check()
    _check_window(settings)
    missing = [name for name in ("gradio", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"the page needs {' and '.join(missing)}: pip install 'duihua[web]'")
    with closing(bound_socket(settings.web)) as listening:
        code = run_to_end(_serve(settings, listening))
    if code:
        raise typer.Exit(code)


async def _serve(settings: Settings, listening: socket.socket) -> None:
    screen = screen_of(sys.stderr, color=wants_color(settings.terminal.color, is_terminal=sys.stderr.isatty()))
    language = interface_language(settings.terminal.language)
    output, say = Output(screen, screen), Say(language)
    first = say("loading", version=__version__, model=settings.model.model or say("default_model"))
    with LoadingLine(output, say, first) as line, leaving_at_once(line.stop):
        from duihua.api.compose import open_chat
        from duihua.web.page import Page
        from duihua.web.serving import serve
        from duihua.web.visit import Wishes

        chat = await open_chat(settings.model, settings.engine, on_progress=line.on_progress)
    async with aclosing(chat):
        if not chat.info.can_chat:
            raise UnsupportedModel(
                f"{chat.info.name} is a base model without a chat template: use `duihua complete`, "
                "or the chat version of the model"
            )
        model_lines(output, say, chat.info, chat.adapters)
        window = settings.terminal.window_policy()
        wishes = Wishes(system=settings.terminal.system, sampling=settings.sampling, window=window)
        title = settings.web.title or chat.info.adapter or chat.info.name
        words = texts.Say(language)
        page = Page(chat, words, title=title, wishes=wishes)
        ready = words("open", url=url_of(listening))
        await serve(page, listening, settings.web, lambda: output.note(ready))


def _check_window(settings: Settings) -> None:
    try:
        settings.terminal.window_policy()
    except InvalidParameter as error:
        raise ConfigError(f"{settings.sources.get('terminal.history_turns', 'history_turns')}: {error}") from error


WEB_PAGE: Final = Body(web, ("model.model", *WEB, *TERMINAL, *SAMPLING, *MODEL, *ENGINE))
