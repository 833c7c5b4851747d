"""What is written to the screen or into the pipe."""

from __future__ import annotations

import io
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TextIO

__all__ = ["Output", "Screen", "Style", "fitted", "harmless", "screen_of", "width"]

Style = Literal["dim", "bold", "warning", "error", "mark", "plain"]

_CODES: Final[Mapping[str, str]] = MappingProxyType(
    {"dim": "2", "bold": "1", "warning": "33", "error": "31", "mark": "36"}
)
# C0 controls become their pictures (U+2400 on), C1 controls and the characters that turn the direction of writing
# become U+FFFD. Line feed and tab stay; a carriage return could overwrite what stands on the line, so it goes.
_HARMLESS: Final[Mapping[int, str]] = (
    {code: chr(0x2400 + code) for code in range(0x20)}
    | {ord("\n"): "\n", ord("\t"): "\t", ord("\r"): "", 0x7F: "\u2421"}
    | dict.fromkeys((*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd")
)


def harmless(text: str) -> str:
    """The text with nothing in it that a terminal would obey.

    Each character is replaced on its own, so a sequence cut in two by streaming is disarmed as well.
    """
    return text.translate(_HARMLESS)


@dataclass(frozen=True, slots=True)
class Screen:
    """One text stream and what it can show."""

    stream: TextIO
    is_terminal: bool
    color: bool

    def write(self, text: str, style: Style = "plain") -> None:
        """Write at once; on a terminal nothing but our own styles takes effect."""
        text = harmless(text) if self.is_terminal else text
        if self.color and style in _CODES and text:
            text = f"\x1b[{_CODES[style]}m{text}\x1b[0m"
        self.stream.write(text)
        self.stream.flush()

    def columns(self) -> int:
        """How many columns it has; 80 where that cannot be known."""
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80


class Output:
    """Answers on one stream, everything else on another; at the keyboard both are the same screen.

    Args:
        answers: where the model's text goes, and nothing else.
        notes: where everything else goes.
        exact: into a pipe the model's text goes as it is, without a line break of ours at its end.
    """

    def __init__(self, answers: Screen, notes: Screen, *, exact: bool = False) -> None:
        self._is_exact = exact and not answers.is_terminal
        self.answers = answers
        self.notes = notes
        self._shares_a_screen = answers is notes or (answers.is_terminal and notes.is_terminal)
        self._mid_line: set[int] = set()  # streams on which a line has begun and is not ended
        self._has_progress = False

    def answer(self, text: str) -> None:
        """More of an answer, as it streams."""
        self._stream(self.answers, text, "plain")

    def thought(self, text: str) -> None:
        """More of the model's thinking: dim among the notes."""
        self._stream(self.notes, text, "dim")

    def end_line(self) -> None:
        """End the lines that answers and thoughts are on."""
        if not self._is_exact:
            self._end_line_of(self.answers)
        self._end_line_of(self.notes)

    def note(self, text: str, style: Style = "dim") -> None:
        """A line of our own."""
        self.marked([(text, style)])

    def marked(self, pieces: Iterable[tuple[str, Style]]) -> None:
        """A text in which styles change; ends its line."""
        self.end_progress()
        self._end_line_of(self.notes)
        for text, style in pieces:
            self.notes.write(text, style)
        self.notes.write("\n")

    def table(self, rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), wrap: bool = True) -> None:
        """Rows in columns by the width that their characters have on the screen.

        Args:
            right: the columns to set flush right.
            wrap: whether the last column goes on in further lines, or is cut.
        """
        from rich.cells import cell_len
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        rows = [[harmless(cell) for cell in row] for row in rows]
        widths = [max(cell_len(cell) for cell in column) for column in list(zip(*rows, strict=True))[:-1]]
        left = self.notes.columns() - sum(widths) - 2 * len(widths)
        grid = Table.grid(padding=(0, 2))
        for index, width in enumerate(widths):
            grid.add_column(justify="right" if index in right else "left", no_wrap=True, width=width)
        grid.add_column()
        for *firsts, last in rows:
            cells = [*firsts, last if wrap or cell_len(last) <= left else f"{_cut(last, left - 1)}…"]
            grid.add_row(*[Text(cell, style="" if index else "bold") for index, cell in enumerate(cells)])
        console = Console(
            file=self.notes.stream,
            width=self.notes.columns(),
            force_terminal=self.notes.color,
            color_system="standard" if self.notes.color else None,
            legacy_windows=False,
        )
        self.end_progress()
        self._end_line_of(self.notes)
        console.print(grid)

    def draw(self, sequence: str) -> None:
        """A picture, by a sequence of our own that the terminal obeys (`duihua.terminal.preview`); terminals only."""
        if self.notes.is_terminal:
            self.end_progress()
            self._end_line_of(self.notes)
            self.notes.stream.write(f"{sequence}\n")
            self.notes.stream.flush()

    def progress(self, text: str, tail: str = "") -> None:
        """Show how far something is, on one line that the next text takes the place of; terminals only.

        Args:
            tail: what changes; where not all has room, the text before it is cut.
        """
        if self.notes.is_terminal:
            room, tail = self.notes.columns() - 1, harmless(tail)
            text = harmless(text).replace("\n", " ")  # a file's name may have two lines
            shown = fitted(fitted(text, max(room - width(tail), 1)) + tail, room)
            self.notes.stream.write(f"\r\x1b[K{shown}")
            self.notes.stream.flush()
            self._has_progress = True

    def end_progress(self) -> None:
        """Take the progress line away."""
        if self._has_progress:
            self._has_progress = False
            self.notes.stream.write("\r\x1b[K")
            self.notes.stream.flush()

    def _stream(self, screen: Screen, text: str, style: Style) -> None:
        self.end_progress()
        screen.write(text, style)
        if text:
            (self._mid_line.discard if text.endswith("\n") else self._mid_line.add)(self._line_of(screen))

    def _end_line_of(self, screen: Screen) -> None:
        if self._line_of(screen) in self._mid_line:
            self._mid_line.discard(self._line_of(screen))
            screen.write("\n")

    def _line_of(self, screen: Screen) -> int:
        return 0 if self._shares_a_screen or screen is self.answers else 1


def fitted(text: str, columns: int) -> str:
    """A line, or as much of it as so many columns hold, with … at its end; a wide character takes two."""
    return text if width(text) <= columns else f"{_cut(text, columns - 1)}…"


def _cut(text: str, columns: int) -> str:
    taken = 0
    for index, character in enumerate(text):
        taken += width(character)
        if taken > columns:
            return text[:index]
    return text


def width(text: str) -> int:
    """How many columns a line takes; a wide character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def screen_of(stream: TextIO | None, *, color: bool) -> Screen:
    """A screen over a standard stream; without one (a program that was started so) what is written goes nowhere."""
    if stream is None:
        return Screen(io.StringIO(), is_terminal=False, color=False)
    return Screen(stream, is_terminal=stream.isatty(), color=color)
