"""The line a person types: wide characters, several lines, history, completion."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application.current import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth, Output

from duihua.terminal.commands import COMMANDS, is_open_block
from duihua.terminal.image import IMAGE_ACTIONS
from duihua.terminal.lora import LORA_ACTIONS
from duihua.terminal.output import fitted, harmless
from duihua.terminal.parameters import names
from duihua.terminal.texts import Say
from duihua.terminal.think import THINK_ACTIONS

__all__ = ["Keyboard", "hushed_echo", "private_history"]

_NAME_COLUMNS: Final = 16  # of an adapter's name before the line


class Keyboard:
    """Reads what the user says, line editing included.

    Args:
        history: where earlier input is kept.
        color: whether the prompt may be styled.
        source, screen: other than the process's terminal, for tests.
    """

    def __init__(
        self,
        say: Say,
        history: History,
        *,
        color: bool = True,
        source: Input | None = None,
        screen: Output | None = None,
    ) -> None:
        self._color = color
        self._commands = _Commands(say)
        self.completer: Completer = self._commands
        self._session: PromptSession[str] = PromptSession(
            history=history,
            multiline=True,  # Enter is bound below; so a paste keeps its lines
            prompt_continuation=_continuation,
            key_bindings=_bindings(),
            completer=self.completer,
            complete_while_typing=Condition(_is_command),
            color_depth=None if color else ColorDepth.DEPTH_1_BIT,
            input=source,
            output=screen,
        )
        self._questions: PromptSession[str] = PromptSession(
            history=InMemoryHistory(),
            color_depth=None if color else ColorDepth.DEPTH_1_BIT,
            input=source,
            output=screen,
        )

    async def read(
        self, default: str = "", *, adapter: str | None = None, adapters: Sequence[str] = (), above: str = ""
    ) -> str:
        """What the user sends, exactly as typed.

        Args:
            default: stands in the line to begin with.
            adapter: the one in use; its name stands before the line.
            adapters: names to complete after `/lora use`.
            above: stands on a line of its own above it.

        Raises:
            EOFError: Ctrl-D on an empty line.
            KeyboardInterrupt: Ctrl-C on an empty line.
        """
        self._commands.adapters = adapters
        prompt = self._prompt(adapter, above)
        return await self._session.prompt_async(prompt, default=default, set_exception_handler=False)

    async def read_answer(self, question: str) -> str:
        """An answer to a question of ours, on one line. What was typed before it was asked does not answer it.

        Raises:
            EOFError, KeyboardInterrupt: as of `read`.
        """
        clear_typeahead(self._questions.input)
        _forget_typed()
        prompt = FormattedText([("bold" if self._color else "", question)])
        # Its own handler of SIGINT would take the place of that which stops the turn; Ctrl-C comes as a key.
        return await self._questions.prompt_async(prompt, set_exception_handler=False, handle_sigint=False)

    def _prompt(self, adapter: str | None, above: str) -> FormattedText:
        color, bold = ("ansicyan", "bold") if self._color else ("", "")
        name = fitted(harmless(adapter), _NAME_COLUMNS) if adapter else ""
        head = f"{harmless(above)}\n" if above else ""
        return FormattedText([(color, head), (color, name), (bold, "> ")])


def private_history(path: Path) -> History:
    """A history file that only its owner can read; in memory only where no file can be had."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        path.chmod(0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


@contextmanager
def hushed_echo() -> Generator[None]:
    """Keep what is typed off the screen while nobody reads it; it waits for the next line. Ctrl-C stays a signal.

    A key reaches the terminal some time after it was pressed, so this belongs around a whole conversation: between
    an answer and the prompt the terminal must not echo either.
    """
    try:
        import termios
    except ImportError:  # Windows
        yield
        return
    before: list[Any] | None = None
    with suppress(termios.error):
        before = termios.tcgetattr(0)
        now = termios.tcgetattr(0)
        now[0] &= ~termios.ICRNL  # Enter stays Enter, and no newline in the text
        now[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(0, termios.TCSANOW, now)
    try:
        yield
    finally:
        if before is not None:
            with suppress(termios.error):
                termios.tcsetattr(0, termios.TCSANOW, before)


def _forget_typed() -> None:
    """Drop what waits to be read from the keyboard."""
    try:
        import termios
    except ImportError:  # Windows
        return
    with suppress(termios.error):
        termios.tcflush(0, termios.TCIFLUSH)


class _Commands(Completer):
    """Names of commands after a slash, of parameters after `/set`, and what belongs after `/lora` and `/image`."""

    def __init__(self, say: Say) -> None:
        self.adapters: Sequence[str] = ()
        self._say = say
        self._directories = PathCompleter(only_directories=True, expanduser=True)
        self._pictures = PathCompleter(file_filter=_may_be_picture, expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """See `Completer.get_completions`."""
        text = document.text_before_cursor
        if not text.startswith(("/", "／")):
            return
        name, space, argument = text[1:].partition(" ")
        if not space:
            for command in COMMANDS:
                if command.name.startswith(name.lower()):
                    meaning = self._say.choose(command.en, command.zh)
                    yield Completion(command.name, -len(name), f"/{command.name}", meaning)
        elif name in ("set", "设置"):
            yield from _beginning_with(argument, names())
        elif name in ("think", "思考"):
            yield from _beginning_with(argument, THINK_ACTIONS)
        elif name in ("lora", "适配器"):
            yield from self._of_lora(argument, complete_event)
        elif name in ("image", "图片"):
            yield from _beginning_with(argument, IMAGE_ACTIONS)
            yield from self._pictures.get_completions(Document(argument), complete_event)

    def _of_lora(self, argument: str, complete_event: CompleteEvent) -> Iterator[Completion]:
        action, space, rest = argument.partition(" ")
        if not space:
            yield from _beginning_with(action, LORA_ACTIONS)
        elif action in ("use", "unload"):
            yield from _beginning_with(rest, self.adapters)
        elif action == "load":
            yield from self._directories.get_completions(Document(rest), complete_event)


def _beginning_with(typed: str, words: Iterable[str]) -> Iterator[Completion]:
    return (Completion(word, -len(typed)) for word in words if word.startswith(typed))


def _may_be_picture(path: str) -> bool:
    return os.path.isdir(path) or (mimetypes.guess_type(path)[0] or "").startswith("image/")


def _continuation(width: int, line_number: int, wrap_count: int) -> str:
    """What stands before the further lines of a text; nothing where the screen's edge broke a line."""
    del line_number
    return "" if wrap_count else " " * width


def _is_command() -> bool:
    return get_app().current_buffer.text.startswith(("/", "／"))


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("enter")
    def send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_open_block(buffer.text):
            buffer.insert_text("\n")
        elif buffer.text.strip():
            buffer.validate_and_handle()

    @bindings.add("c-j")
    @bindings.add("escape", "enter")
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @bindings.add("c-c")
    @bindings.add("<sigint>")
    def give_up(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt())

    del send, new_line, give_up  # they live in the bindings
    return bindings
