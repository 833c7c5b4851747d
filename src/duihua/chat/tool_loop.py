"""A turn with tools: the model answers, what it calls is run, and it answers again, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from duihua.chat.fold import Reply
from duihua.chat.protocol import ChatService, TurnOptions
from duihua.chat.queueing import once_there_is_room
from duihua.chat.results import Results
from duihua.errors import ConfigError, ContextOverflow, InvalidParameter
from duihua.events import (
    Event,
    Finished,
    RoundFinished,
    ToolResult,
    TurnFinished,
    TurnStarted,
    Usage,
    WindowReport,
)
from duihua.messages import Message
from duihua.sampling import Sampling
from duihua.tools.toolbox import Toolbox

__all__ = ["LoopLimits", "stream_with_tools"]

_NOTHING: Final = Usage(prompt_tokens=0, completion_tokens=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopLimits:
    """How long one turn may go on calling tools.

    Raises:
        ConfigError: a limit that allows nothing.
    """

    rounds: int = 8  # times that calls are run; those of one answer are run together, and count once
    seconds: float = (
        600.0  # of answering and running together; then nothing is run any more. An answer is not cut short
    )

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.seconds <= 0:
            raise ConfigError(
                "the limits of a turn's tools must be more than nothing: at least one round and some time"
            )


async def stream_with_tools(
    chat: ChatService,
    messages: Sequence[Message],
    sampling: Sampling = Sampling(),
    options: TurnOptions = TurnOptions(),
    *,
    toolbox: Toolbox,
    limits: LoopLimits = LoopLimits(),
) -> AsyncGenerator[Event]:
    """Answer a conversation, running what the model calls.

    Each round's answer is asked for as `ChatService.stream` is asked, with these options, but that `tool_choice` holds
    for the first. All rounds are one exchange. An answer whose calls may not be run (the rounds or the time ran out,
    or it was cut) is the last; its calls get results that say so, so that the conversation can go on.

    Closing the generator, or cancelling who reads it, stops the generation and the tools that run.

    Args:
        options: without tools: they are the toolbox's.
        toolbox: not closed here.

    Yields:
        One `TurnStarted`; for each round deltas, calls, a `RoundFinished` and a `ToolResult` for each call, as they
        end; deltas of the last answer; one `Finished` with the usage of all rounds: its reason is that of the last
        answer, or "tool_calls" where its calls were not run, or "context_full" where the results no longer fit the
        window; and `TurnFinished`.

    Raises:
        RequestError, EngineError: as `ChatService.stream`; a request error of the first round before the first event.
            A full queue is an error of the first round at once: it is waited for where calls were run, as long as
            `limits` have it.
    """
    if options.tools:
        raise InvalidParameter(
            "tools", f"{len(options.tools)} schemas", "what is run is the toolbox's: give none beside it"
        )
    if options.continue_final:
        raise InvalidParameter("continue_final", True, "an answer whose calls are run is a new one")  # noqa: FBT003
    if (sampling.n or 1) > 1:
        raise InvalidParameter("n", sampling.n, "the calls of one answer are run: ask for one")
    options = replace(options, tools=toolbox.schemas, started=options.started or datetime.now().astimezone())
    turn = _Turn(chat, messages, sampling, options, toolbox, limits)
    async with aclosing(turn.events()) as events:
        async for event in events:
            yield event


class _Turn:
    """One turn under way."""

    def __init__(
        self,
        chat: ChatService,
        messages: Sequence[Message],
        sampling: Sampling,
        options: TurnOptions,
        toolbox: Toolbox,
        limits: LoopLimits,
    ) -> None:
        self._chat = chat
        self._messages = list(messages)
        self._sampling = sampling
        self._options = options
        self._toolbox = toolbox
        self._limits = limits
        self._usage = _NOTHING
        self._malformed = 0
        self._window: WindowReport | None = None
        self._rounds = 0
        self._seconds = 0.0

    async def events(self) -> AsyncGenerator[Event]:
        """See `stream_with_tools`."""
        last: Finished | None = None
        while last is None:
            answer = _Answer()
            try:
                async with aclosing(self._answered(answer)) as events:
                    async for event in events:
                        yield event
            except ContextOverflow:
                if self._window is None:
                    raise
                last = Finished(reason="context_full", usage=_NOTHING)
                break
            last = answer.finished
            if message := answer.calling:
                why_not = self._why_not(last)
                async with aclosing(self._round(message, last, why_not)) as events:
                    async for event in events:
                        yield event
                reason = "length" if last.reason == "length" else "tool_calls"
                last = Finished(reason=reason, usage=_NOTHING) if why_not else None
        assert self._window is not None  # noqa: S101
        yield replace(last, usage=self._usage, malformed_calls=self._malformed)
        yield TurnFinished(usage=self._usage, window=self._window)

    async def _answered(self, answer: _Answer) -> AsyncGenerator[Event]:
        """One round's answer: its events, less those that come once in a turn."""
        is_first, started = self._window is None, asyncio.get_running_loop().time()
        async with aclosing(self._asked()) as events:
            async for event in events:
                answer.reply.add(event)
                if isinstance(event, TurnStarted):
                    self._window = event.window
                if isinstance(event, TurnFinished):
                    self._window = event.window
                elif isinstance(event, Finished):
                    answer.finished = event
                    self._usage += event.usage
                    self._malformed += event.malformed_calls
                elif is_first or not isinstance(event, TurnStarted):
                    yield event
        self._seconds += asyncio.get_running_loop().time() - started

    def _asked(self) -> AsyncGenerator[Event]:
        """What the model answers; where calls were run for it already, a full queue is waited for, in its time."""
        seconds = self._limits.seconds - self._seconds if self._rounds else 0.0
        return once_there_is_room(
            lambda: self._chat.stream(self._messages, self._sampling, self._options), seconds=seconds
        )

    def _why_not(self, finished: Finished) -> str:
        """Why the calls of an answer are not run; empty where they are."""
        if finished.reason == "length":
            return "the answer that makes this call was cut off"
        if self._rounds >= self._limits.rounds:
            return f"this turn has had its {self._limits.rounds} rounds of calls"
        if self._seconds >= self._limits.seconds:
            return f"this turn has had its {self._limits.seconds:g} seconds"
        return ""

    async def _round(self, message: Message, finished: Finished, why_not: str) -> AsyncGenerator[Event]:
        """What becomes of an answer's calls."""
        assert self._window is not None  # noqa: S101
        options = replace(self._options, tool_choice="auto", continue_final=False)
        results = Results(self._chat, self._messages, options, message, self._window)
        if not why_not:
            await results.check()
        yield RoundFinished(
            message=message, token_ids=finished.token_ids, logprobs=finished.logprobs, usage=finished.usage
        )
        async with aclosing(_refused(message, why_not) if why_not else self._run(message, results)) as coming:
            async for result in coming:
                yield result
        self._messages += results.messages
        self._options = options

    async def _run(self, message: Message, results: Results) -> AsyncGenerator[ToolResult]:
        """The results of an answer's calls, as they come."""
        self._rounds += 1
        longest = 0.0
        left = self._limits.seconds - self._seconds
        async with aclosing(self._toolbox.run_all(message.tool_calls, seconds=left)) as outcomes:
            async for outcome in outcomes:
                longest = max(longest, outcome.seconds)
                yield await results.take(outcome)
        self._seconds += longest


class _Answer:
    """One round's answer as it comes."""

    def __init__(self) -> None:
        self.reply = Reply()
        self.finished = Finished(reason="stop", usage=_NOTHING)

    @property
    def calling(self) -> Message | None:
        """The answer, where it makes calls."""
        return self.reply.message() if self.reply.calls else None


async def _refused(message: Message, why: str) -> AsyncGenerator[ToolResult]:
    for call in message.tool_calls:
        yield ToolResult(call=call, content=f"Error: it was not run: {why}", is_error=True)
