"""What a program writes on standard error: kept from the terminal, and its beginning and end for when it fails."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, TextIO

from duihua.tools.output_pipe import OutputPipe

__all__ = ["Heard"]

_CHARACTERS: Final = 800  # that are kept


class Heard:
    """What was heard last."""

    def __init__(self) -> None:
        self._pipe: OutputPipe | None = None
        self._text = ""

    def __str__(self) -> str:
        """It, as the end of a sentence; "" where there was nothing."""
        if self._pipe is not None:
            self._pipe.read_rest()
            self._text = self._pipe.text().strip()
        return f"; it said: {self._text}" if self._text else ""

    @contextmanager
    def listening(self) -> Generator[TextIO]:
        """A file to write to, which is read meanwhile by the running loop."""
        if os.name == "nt":  # its loop reads no pipes in this way
            with open(os.devnull, "w", encoding="utf-8") as nothing:
                yield nothing
            return
        loop = asyncio.get_running_loop()
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        pipe = self._pipe = OutputPipe(reading, _CHARACTERS)
        loop.add_reader(reading, lambda: pipe.read() or loop.remove_reader(reading))
        try:
            with os.fdopen(writing, "w", encoding="utf-8") as file:
                yield file
        finally:
            loop.remove_reader(reading)
            str(self)
            self._pipe = None
            os.close(reading)
