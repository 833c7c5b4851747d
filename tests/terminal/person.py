"""Someone at a pseudo-terminal: types, and sees what a terminal of that width would show."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pexpect
import pyte

import duihua

__all__ = ["ALT_ENTER", "BACKSPACE", "CTRL_C", "CTRL_D", "CTRL_J", "ENTER", "UP", "Person", "Sit", "environment"]

CTRL_C, CTRL_D, CTRL_J, ENTER, BACKSPACE, UP, ALT_ENTER = "\x03", "\x04", "\n", "\r", "\x7f", "\x1b[A", "\x1b\r"
_SOURCES = (Path(__file__).parents[1], Path(duihua.__file__).parents[1])


def environment(home: Path, **variables: str) -> dict[str, str]:
    """What a child process sees: English, in a home of its own, with the tests and this duihua to import from."""
    places = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "STATE", "CACHE")}
    sources = os.pathsep.join(map(str, _SOURCES))
    plain = {"HOME": str(home), "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "PYTHONPATH": sources}
    return {**places, **plain, "OMP_NUM_THREADS": "1", **variables}


class _Screen(pyte.Screen):
    """A screen that answers the program's questions, as terminals do."""

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__(columns, lines)
        self.title_changes: list[str] = []
        self.answers: list[str] = []

    def write_process_input(self, data: str) -> None:
        self.answers.append(data)

    def set_title(self, param: str) -> None:
        self.title_changes.append(param)


class Person:
    """Runs a Python program in a terminal of its own."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], *, columns: int = 80, lines: int = 40) -> None:
        self.screen = _Screen(columns, lines)
        self._stream = pyte.Stream(self.screen)
        self.child: Any = pexpect.spawn(
            sys.executable, list(arguments), env=dict(env), dimensions=(lines, columns), encoding="utf-8", echo=True
        )
        self.child.ptyproc.delayafterterminate = 0.5  # seconds that a process of several GB gets to end
        self.raw = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.child.close(force=True)

    def type(self, text: str) -> None:
        """Press these keys."""
        self.child.send(text)

    def say(self, text: str) -> None:
        """Type a line and press Enter."""
        self.type(text)
        self.type(ENTER)

    def sees(self, text: str, *, times: int = 1, within_s: float = 60) -> None:
        """Look at the screen until the text stands on it so often."""
        self._look_until(lambda: self.text.count(text) >= times, f"{times} x {text!r}", within_s)

    def sees_no(self, text: str, *, within_s: float = 60) -> None:
        """Look at the screen until the text is gone."""
        self._look_until(lambda: text not in self.text, f"no {text!r}", within_s)

    def sees_line(self, text: str, *, within_s: float = 60) -> None:
        """Look until a line of the screen is exactly this."""
        self._look_until(lambda: text in self.lines, f"the line {text!r}", within_s)

    def sees_match(self, pattern: str, *, within_s: float = 60) -> None:
        """Look until a part of the screen matches a regular expression."""
        self._look_until(lambda: re.search(pattern, self.text), f"a match of {pattern!r}", within_s)

    def exit_code(self, *, within_s: float = 60) -> int:
        """Wait for the end of the program; 128 + n after signal n, as shells count."""
        deadline = time.monotonic() + within_s
        while self._take():
            assert time.monotonic() < deadline, f"it did not end; the screen:\n{self.text}"
        self.child.close()
        return self.child.exitstatus if self.child.exitstatus is not None else 128 + self.child.signalstatus

    @property
    def lines(self) -> list[str]:
        """The lines of the screen, without trailing spaces."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """The screen down to its last line with something on it."""
        return "\n".join(self.lines).rstrip()

    def _look_until(self, is_so: Any, what: str, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not is_so():
            is_alive = self._take()
            if not is_so():
                assert is_alive, f"it ended without {what}; the screen:\n{self.text}"
                assert time.monotonic() < deadline, f"no sign of {what}; the screen:\n{self.text}"

    def _take(self) -> bool:
        """Take in what the program wrote; False once it has ended."""
        try:
            text = self.child.read_nonblocking(65536, timeout=0.1)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += text
        self._stream.feed(text)
        while self.screen.answers:
            self.child.send(self.screen.answers.pop(0))
        return True


Sit = Callable[..., Person]
"""Sits somebody down at a program; its arguments are the program's."""
