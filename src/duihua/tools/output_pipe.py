"""What a process prints, of which the first and the last part is kept."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["OutputPipe"]

_PART: Final = 1 << 16  # bytes read at once
_MOST_REST: Final = 1 << 20  # bytes: a pipe holds no more


class OutputPipe:
    """The reading end of a pipe that does not block."""

    def __init__(self, pipe: int, characters: int) -> None:
        """Keep so many characters of what comes: three quarters of the beginning, the rest of the end."""
        self._pipe = pipe
        self._first, self._last = characters - characters // 4, characters // 4
        self._head = bytearray()
        self._tail = bytearray()
        self.count = 0  # bytes that came since it began

    def fileno(self) -> int:
        """The pipe, for selectors."""
        return self._pipe

    def begin(self) -> None:
        """Forget what came so far."""
        self.read_rest()
        self._head.clear()
        self._tail.clear()
        self.count = 0

    def read(self) -> bool:
        """Read what is there; tells whether the pipe goes on."""
        try:
            part = os.read(self._pipe, _PART)
        except BlockingIOError:
            return True
        self.count += len(part)
        room = max(0, 4 * self._first - len(self._head))  # a character has four bytes at most
        self._head += part[:room]
        self._tail = (self._tail + part[room:])[-4 * (self._first + self._last) :]
        return bool(part)

    def read_rest(self) -> None:
        """Read what is there now."""
        most = self.count + _MOST_REST
        before = -1
        while before < self.count < most:
            before = self.count
            if not self.read():
                return

    def text(self) -> str:
        """What came; where it is too long, its middle is left out, and the text says so."""
        is_whole = self.count == len(self._head) + len(self._tail)
        text = bytes(self._head + self._tail).decode("utf-8", "replace") if is_whole else ""
        if is_whole and len(text) <= self._first + self._last:
            return text
        head = text if is_whole else self._head.decode("utf-8", "replace")
        tail = text if is_whole else self._tail.decode("utf-8", "replace")
        gap = f"[... {self.count:,} bytes in all, the middle is left out ...]"
        return f"{head[: self._first]}\n{gap}\n{tail[-self._last :]}"
