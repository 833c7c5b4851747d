"""`duihua chat` and `duihua complete`: choose a front, load the model, let the front talk."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Final

import typer

from duihua import __version__
from duihua.cli.flags import ENGINE, MODEL, SAMPLING, TERMINAL, THINKING, TOOLS, Body
from duihua.cli.toolset import check_flags, equip, opened_tools
from duihua.config import (
    Settings,
    ToolSettings,
    graphics_of,
    history_file,
    interface_language,
    is_debugging,
    wants_color,
)
from duihua.errors import ConfigError, InvalidImage, InvalidParameter, UnsupportedModel
from duihua.terminal.consent import Consent
from duihua.terminal.form import read_form
from duihua.terminal.loading import LoadingLine
from duihua.terminal.output import Output, screen_of
from duihua.terminal.pipe import joined_prompt, piped_text, replay_lines, replay_source
from duihua.terminal.signals import leaving_at_once, run_to_end
from duihua.terminal.texts import Say

if TYPE_CHECKING:
    from duihua.chat.chat import Chat
    from duihua.chat.conversation import Conversation
    from duihua.image import Image
    from duihua.prompt.window import WindowPolicy
    from duihua.terminal.oneshot import Reader
    from duihua.terminal.session import Session

__all__ = ["CHAT", "COMPLETE", "chat", "complete"]


def chat(  # noqa: PLR0913  one parameter for each flag that is no setting
    settings: Settings,
    *,
    prompt: str | None,
    image: Sequence[str] | None,
    replay: str | None,
    json: bool | None,
    no_tools: bool | None,
    schema: str | None,
) -> None:
    """Talk to a model: at the keyboard, once, or from a file.

    Args:
        image: paths and URLs of pictures that go with the first message.
        schema: a file whose JSON schema every answer is held to.

    Raises:
        ConfigError: flags that do not go together, nothing to ask, or a picture that cannot be had.
        ModelError, RequestError, EngineError: see `open_chat` and `Conversation.send`.
    """
    tools = check_flags(settings, no_tools=bool(no_tools), in_form=schema is not None)
    talk = partial(_talk, settings, sources=tuple(image or ()), tools=tools, schema=schema)
    if replay is not None:
        if prompt is not None:
            raise ConfigError("-p and --replay do not go together: put the prompt into the file")
        content = replay_source(replay)
        talk(lambda session: _replay(session, content, replay, json=bool(json)))
        return
    piped = piped_text()
    if prompt is not None or piped is not None:
        text = joined_prompt(prompt, piped)
        talk(lambda session: _ask(session, text, json=bool(json)))
        return
    if json or not sys.stdout.isatty():
        where = "--json" if json else "an answer that goes into a file or a pipe"
        raise ConfigError(f"{where} needs -p TEXT, --replay FILE or a text piped in")
    talk(_keyboard, at_keyboard=True)


def complete(settings: Settings, *, raw: str | None, json: bool | None) -> None:
    """Continue raw text.

    Raises:
        ConfigError: nothing to continue.
        ModelError, RequestError, EngineError: see `open_chat` and `ChatService.complete`.
    """
    text = raw if raw is not None else piped_text()
    if not text:
        raise ConfigError("there is nothing to continue: give -p TEXT, or pipe a text in")
    output, say = _output(settings, at_keyboard=False, exact=True)

    async def run() -> None:
        async with aclosing(await _opened(settings, output, say)) as model:
            reader = _reader(output, say, json=bool(json))
            asked = settings.sampling.over(model.info.defaults).max_tokens
            await reader.read(model.complete(text, settings.sampling), max_tokens=asked)

    _finish(run_to_end(run()))


def _talk(
    settings: Settings,
    front: Callable[[Session], Awaitable[None]],
    *,
    sources: Sequence[str],
    tools: ToolSettings,
    schema: str | None,
    at_keyboard: bool = False,
) -> None:
    output, say = _output(settings, at_keyboard=at_keyboard)
    form = None if schema is None else read_form(schema)

    async def run() -> None:
        images = await _read_pictures(output, say, sources)  # what is wrong with them is told before anything is loaded
        consent = Consent(output, say)
        async with (
            opened_tools(tools, consent, output, say) as toolbox,
            aclosing(await _opened(settings, output, say)) as model,
        ):
            from duihua.terminal.pictures import check_sight
            from duihua.terminal.session import Session

            _greet(output, say, model, at_keyboard=at_keyboard)
            check_sight(model.info, len(images))
            session = Session(
                conversation=_conversation(model, settings),
                output=output,
                say=say,
                pictures=images,
                graphics=graphics_of(settings.terminal.preview, is_terminal=at_keyboard),
                rules=tools,
                consent=consent,
                shows_thinking=settings.terminal.thinking == "show",
            )
            equip(session, settings, toolbox, form)
            for image in images:
                await session.draw(image)
            await front(session)

    _finish(run_to_end(run()))


def _greet(output: Output, say: Say, model: Chat, *, at_keyboard: bool) -> None:
    """Say what is talked to, where that can be."""
    from duihua.terminal.loading import banner, template_note

    if not model.info.can_chat:
        raise UnsupportedModel(
            f"{model.info.name} is a base model without a chat template: use `duihua complete`, "
            "or the chat version of the model"
        )
    if at_keyboard:
        banner(output, say, model.info, model.adapters)
    else:
        template_note(output, say, model.info)


def _conversation(model: Chat, settings: Settings) -> Conversation:
    from duihua.chat.conversation import Conversation

    return Conversation(model, system=settings.terminal.system, sampling=settings.sampling, window=_window(settings))


async def _read_pictures(output: Output, say: Say, sources: Sequence[str]) -> list[Image]:
    """The pictures that flags name."""
    from duihua.terminal.pictures import read_picture

    images: list[Image] = []
    try:
        for source in sources:
            output.progress(say("picture_reading", name=source))
            images.append(await read_picture(source))
    except InvalidImage as error:
        raise ConfigError(f"flag --image: {error}") from error
    finally:
        output.end_progress()
    return images


async def _opened(settings: Settings, output: Output, say: Say) -> Chat:
    """The model, loaded; the screen says something before anything heavy is imported, and how far it is then."""
    first = say("loading", version=__version__, model=settings.model.model or say("default_model"))
    with LoadingLine(output, say, first) as line, leaving_at_once(line.stop):
        _window(settings)  # what cannot be is told before anything is loaded
        from duihua.api.compose import open_chat

        return await open_chat(settings.model, settings.engine, on_progress=line.on_progress)


async def _keyboard(session: Session) -> None:
    from duihua.terminal.input import Keyboard, private_history
    from duihua.terminal.repl import Repl

    keyboard = Keyboard(session.say, private_history(history_file()), color=session.output.notes.color)
    await Repl(session, keyboard, debug=is_debugging()).run()


async def _ask(session: Session, text: str, *, json: bool) -> None:
    from duihua.terminal.oneshot import ask

    await ask(session, text, _reader(session.output, session.say, json=json, thinking=session.shows_thinking))


async def _replay(session: Session, content: bytes | None, name: str, *, json: bool) -> None:
    from duihua.terminal.oneshot import replay

    async with aclosing(replay_lines(content, name)) as lines:
        await replay(session, lines, _reader(session.output, session.say, json=json, thinking=session.shows_thinking))


def _reader(output: Output, say: Say, *, json: bool, thinking: bool = True) -> Reader:
    from duihua.terminal.oneshot import Reader
    from duihua.terminal.turn import Narrator

    narrator = Narrator(output, say)
    narrator.shows_thinking = thinking
    return Reader(output, narrator, json=json)


def _output(settings: Settings, *, at_keyboard: bool, exact: bool = False) -> tuple[Output, Say]:
    def screen(stream: object) -> bool:
        return wants_color(settings.terminal.color, is_terminal=bool(getattr(stream, "isatty", bool)()))

    answers = screen_of(sys.stdout, color=screen(sys.stdout))
    notes = answers if at_keyboard else screen_of(sys.stderr, color=screen(sys.stderr))
    return Output(answers, notes, exact=exact), Say(interface_language(settings.terminal.language))


def _window(settings: Settings) -> WindowPolicy:
    try:
        return settings.terminal.window_policy()
    except InvalidParameter as error:
        raise ConfigError(f"{settings.sources.get('terminal.history_turns', 'history_turns')}: {error}") from error


def _finish(code: int) -> None:
    if code:
        raise typer.Exit(code)


CHAT: Final = Body(
    chat,
    (
        *("model.model", "prompt", "image", "replay", "json"),
        *TOOLS,
        *("no_tools", "schema"),
        *THINKING,
        *TERMINAL,
        "terminal.preview",
        *SAMPLING,
        *MODEL,
        *ENGINE,
    ),
)
COMPLETE: Final = Body(complete, ("model.model", "raw", "json", *SAMPLING, *MODEL, *ENGINE))
