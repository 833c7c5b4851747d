"""Python for the model, in a process that is shut in. Off unless it is asked for.

Variables stay from one call to the next. Calls wait for each other. A call that is cancelled, or takes too long, ends
the process; the next one starts a new one and says so.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Mapping
from typing import Annotated, Any

from duihua.errors import InvalidImage, ToolFailed, UnsupportedFeature
from duihua.image import Image
from duihua.tools.function import FunctionTool
from duihua.tools.interpreter import Interpreter, PythonSettings, Ran
from duihua.tools.tool import ToolOutput
from duihua.vision.bounds import Bounds
from duihua.vision.read import read_bytes

__all__ = ["PythonTool"]

_DESCRIPTION = (
    "Runs Python code and gives what it prints, the value of its last expression, and figures of matplotlib. "
    "Variables stay for later calls. There is no network, and no files but in the working directory."
)
_AGAIN = "[the interpreter was started again: variables of earlier calls are gone]"


class PythonTool:
    """The tool; it starts its process with the first call."""

    def __init__(self, settings: PythonSettings = PythonSettings()) -> None:
        """Nothing is started yet.

        Args:
            settings: what the process may use, and what it need not be kept from.
        """
        self._settings = settings
        self._interpreter: Interpreter | None = None
        self._has_run = False
        self._is_closed = False
        self._one_by_one = asyncio.Lock()
        self._function = FunctionTool(self._run, name="python", description=_DESCRIPTION)

    @property
    def name(self) -> str:
        """`python`."""
        return self._function.name

    @property
    def description(self) -> str:
        """What it does."""
        return self._function.description

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The code."""
        return self._function.parameters

    async def start(self) -> None:
        """Start the process now, to learn whether this system can shut it in; a call does it otherwise.

        Raises:
            UnsupportedFeature: it cannot; names what the process could not be kept from, and the cure.
            ToolFailed: it does not start.
        """
        async with self._one_by_one:
            await self._ready()

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        """Run code. Cancelling ends the process.

        Raises:
            InvalidToolArguments: there is no code.
            ToolTimedOut, ToolFailed: see `Interpreter.run`; or the code raised an error: its traceback.
        """
        return await self._function.call(arguments)

    async def aclose(self) -> None:
        """End the process and remove its files."""
        self._is_closed = True
        running, self._interpreter = self._interpreter, None
        if running is not None:
            running.kill()
            async with self._one_by_one:  # whoever waits for it lets go first
                await asyncio.to_thread(running.close)

    async def _run(self, code: Annotated[str, "the statements", True]) -> ToolOutput:
        async with self._one_by_one:
            was_lost = self._has_run and (self._interpreter is None or not self._interpreter.is_running)
            interpreter = await self._ready()
            self._has_run = True
            ran = await self._killed_if_cancelled(interpreter, code)
        return await asyncio.to_thread(_output_of, ran, _AGAIN if was_lost else "")

    async def _ready(self) -> Interpreter:
        """The process, started where there is none."""
        if self._is_closed:
            raise ToolFailed("the tool was closed")
        if self._interpreter is not None and self._interpreter.is_running:
            return self._interpreter
        if self._interpreter is not None:
            await asyncio.to_thread(self._interpreter.close)
        starting = asyncio.create_task(asyncio.to_thread(Interpreter, self._settings))
        try:
            self._interpreter = started = await asyncio.shield(starting)
        except asyncio.CancelledError:
            with contextlib.suppress(ToolFailed, UnsupportedFeature):
                self._interpreter = await starting
            raise
        return started

    async def _killed_if_cancelled(self, interpreter: Interpreter, code: str) -> Ran:
        running = asyncio.create_task(asyncio.to_thread(interpreter.run, code))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            interpreter.kill()
            await asyncio.wait([running])  # it sees the end of the process at once, and cleans up
            if not running.cancelled():
                running.exception()
            raise


def _output_of(ran: Ran, note: str) -> ToolOutput:
    text = "\n".join(part for part in (note, ran.output.rstrip("\n"), ran.value, ran.error) if part)
    if ran.error is not None:
        raise ToolFailed(text)
    images: list[Image] = []
    for number, encoded in enumerate(ran.pictures):
        try:
            data = base64.b64decode(encoded, validate=True)
            images.append(read_bytes(data, bounds=Bounds(), name=f"figure-{number + 1}.png"))
        except (InvalidImage, ValueError, TypeError) as error:
            text += f"\n[a picture could not be passed on: {error}]"
    return ToolOutput(text.strip("\n") or ("" if images else "(it printed nothing)"), tuple(images))
