"""Runs what a model calls: by name, within bounds, and an error is a result."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from duihua.errors import ConfigError, InvalidToolArguments, ToolError, ToolFailed, ToolTimedOut, UnknownTool
from duihua.image import Image
from duihua.messages import ToolCall
from duihua.tools.deadline import deadline
from duihua.tools.failure import failure_of
from duihua.tools.tool import Tool, ToolOutput, schema_of

__all__ = ["ToolLimits", "ToolOutcome", "Toolbox"]

_NAME: Final = re.compile(r"[\w.-]{1,64}")
_LONGEST_ERROR: Final = 4000  # characters; of a longer one, the middle is left out
_GRACE: Final = 5.0  # seconds in which a tool that is cancelled must end

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLimits:
    """What one call may cost."""

    seconds: float = 60.0  # of running; waiting for a person's approval does not count
    characters: int = 20_000  # of the result
    images: int = 8  # in the result
    image_bytes: int = 20 << 20  # of their files together

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ConfigError(f"the limit {name} of tools must be more than nothing")


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What became of one call."""

    call: ToolCall
    output: ToolOutput  # where it failed, the error in words for the model
    error: ToolError | None = None
    seconds: float = 0.0  # that it ran

    @property
    def content(self) -> str:
        """What the model is told."""
        return self.output.content

    @property
    def images(self) -> tuple[Image, ...]:
        """The pictures that it gets."""
        return self.output.images

    @property
    def is_error(self) -> bool:
        """Whether it came to nothing."""
        return self.error is not None


class Toolbox:
    """Tools by their names."""

    def __init__(self, tools: Iterable[Tool] = (), *, limits: ToolLimits = ToolLimits()) -> None:
        """Take tools; the toolbox closes them.

        Raises:
            ConfigError: two have one name, or a name is none.
        """
        self._tools: dict[str, Tool] = {}
        self._limits = limits
        for tool in tools:
            if not _NAME.fullmatch(tool.name):
                raise ConfigError(
                    f"a tool cannot be called {tool.name[:80]!r}: use 1 to 64 letters, digits, '_', '-' and '.'"
                )
            if tool.name in self._tools:
                raise ConfigError(f"two tools are called {tool.name!r}: rename one, or give it a prefix")
            self._tools[tool.name] = tool

    def __len__(self) -> int:
        return len(self._tools)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    async def __aenter__(self) -> Toolbox:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def limits(self) -> ToolLimits:
        """What one call may cost."""
        return self._limits

    @property
    def schemas(self) -> tuple[dict[str, Any], ...]:
        """The tools as a request has them, in OpenAI's form."""
        return tuple(schema_of(tool) for tool in self)

    async def run(self, call: ToolCall, *, seconds: float | None = None) -> ToolOutcome:
        """Run one call. What a tool does wrong is in the outcome; cancelling stops the tool, as far as it can be.

        Args:
            seconds: that it may run, where that is less than the toolbox's own limit.
        """
        most = min(self._limits.seconds, seconds if seconds is not None else self._limits.seconds)
        output, error, ran = ToolOutput(""), None, 0.0
        try:
            async with deadline(most) as clock:
                try:
                    output = self._bounded(await self._held(call))
                finally:
                    ran = clock.seconds
        except ToolError as failure:
            error = failure
        except TimeoutError:
            error = ToolTimedOut(most)
        if error is not None:
            said = _whole(_shortened(str(error)))
            _log.info("the call of %s came to nothing: %s", call.name[:80], said)
            output = ToolOutput(f"Error: {said}")
        return ToolOutcome(call, replace(output, content=_whole(output.content)), error, ran)

    async def run_all(self, calls: Sequence[ToolCall], *, seconds: float | None = None) -> AsyncGenerator[ToolOutcome]:
        """Run several calls together; outcomes come as they are there. Closing stops what still runs.

        Args:
            seconds: as of `run`, for each.
        """
        tasks = [asyncio.create_task(self.run(call, seconds=seconds)) for call in calls]
        try:
            for done in asyncio.as_completed(tasks):
                yield await done
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def aclose(self) -> None:
        """Close every tool, whatever one of them does."""
        for failure in await asyncio.gather(*(tool.aclose() for tool in self), return_exceptions=True):
            if isinstance(failure, BaseException):
                _log.warning("a tool could not be closed", exc_info=failure)

    async def _held(self, call: ToolCall) -> ToolOutput:
        """The answer; a tool that does not let itself be cancelled is left behind."""
        task = asyncio.create_task(self._answer(call))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError as error:
            task.cancel()
            await asyncio.wait([task], timeout=_GRACE)
            if not task.done():
                _log.warning("the tool %s goes on although it was cancelled: it is left behind", call.name[:80])
            elif not task.cancelled():
                task.exception()  # nobody asks any more
            elif not _is_cancelled():
                raise ToolFailed("it was cancelled") from error  # by itself
            raise

    async def _answer(self, call: ToolCall) -> ToolOutput:
        tool = self._tools.get(call.name)
        if tool is None:
            raise UnknownTool(call.name[:80], list(self._tools))
        arguments = _arguments(call.arguments)
        try:
            return await tool.call(arguments)
        except ToolError:
            raise
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise  # we are: the reader left, or the time is over
            raise ToolFailed("it was cancelled") from error
        except (KeyboardInterrupt, GeneratorExit):
            raise  # ours, on the event loop
        except BaseException as error:  # a tool is not our code, and no error of it may end a turn
            _log.warning("the tool %s failed", tool.name, exc_info=True)
            raise failure_of(error) from error

    def _bounded(self, output: ToolOutput) -> ToolOutput:
        """The output, if it is not too large to be passed on."""
        limits, size = self._limits, sum(len(image.data) for image in output.images)
        if len(output.content) > limits.characters:
            raise ToolFailed(
                f"the result has {len(output.content):,} characters and may have {limits.characters:,}: ask for less"
            )
        if len(output.images) > limits.images or size > limits.image_bytes:
            raise ToolFailed(
                f"the result has {len(output.images)} pictures of {size:,} bytes and may have {limits.images} of "
                f"{limits.image_bytes:,}: ask for less"
            )
        return output


def _is_cancelled() -> bool:
    """Whether somebody asked for the end of what runs here."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _whole(text: str) -> str:
    """The text without half characters, which no prompt can hold and nothing can send."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _shortened(text: str) -> str:
    """What is said first and last: a traceback ends with what matters."""
    if len(text) <= _LONGEST_ERROR:
        return text
    return f"{text[: _LONGEST_ERROR // 4]}\n[...]\n{text[-3 * _LONGEST_ERROR // 4 :]}"


def _arguments(text: str) -> Mapping[str, Any]:
    """The arguments of a call; no text at all means none."""
    try:
        value: object = json.loads(text) if text.strip() else {}
    except RecursionError as error:
        raise InvalidToolArguments(["they are nested too deeply"]) from error
    except ValueError as error:
        raise InvalidToolArguments([f"they are no JSON ({error})"]) from error
    if not isinstance(value, dict):
        raise InvalidToolArguments([f"they must be a JSON object, not {type(value).__name__}"])
    return cast("dict[str, Any]", value)
