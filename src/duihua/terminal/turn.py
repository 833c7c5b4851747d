"""One turn on the screen: its events as they stream, and what is said about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from duihua.events import (
    Event,
    Finished,
    ReasoningDelta,
    RoundFinished,
    TextDelta,
    ToolCallReady,
    ToolResult,
    TurnFinished,
    TurnStarted,
    WindowReport,
)
from duihua.terminal.calls import call_line, result_line
from duihua.terminal.output import Output
from duihua.terminal.pictures import picture_line
from duihua.terminal.settings import Graphics
from duihua.terminal.status import Timing, cut_line, status_line, window_lines
from duihua.terminal.texts import Say

__all__ = ["Narrator"]


class Narrator:
    """Shows the turns of one conversation, and remembers what the window had already cut.

    Args:
        clock: seconds, for time to first token and speed.
        cure: what to do about an answer that was cut at max_tokens.
        graphics: how pictures of results are drawn; None: not at all.
        settled: waits until the screen is free of questions.

    Attributes:
        shows_thinking: whether thinking is shown as it comes, or told about in one line.
    """

    def __init__(
        self,
        output: Output,
        say: Say,
        *,
        clock: Callable[[], float] = time.perf_counter,
        cure: str = "--max-tokens N",
        graphics: Graphics | None = None,
        settled: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.shows_thinking = True
        self._cure = cure
        self._output = output
        self._say = say
        self._clock = clock
        self._graphics: Graphics | None = graphics
        self._settled = settled
        self._before: WindowReport | None = None

    async def show(
        self, events: AsyncGenerator[Event], *, max_tokens: int | None = None, overlong: str | None = None
    ) -> None:
        """Show a turn to its end; an error or a cancellation leaves the line ended and goes on to the caller.

        Args:
            events: closed in any case.
            max_tokens: what the turn asks for; None: as much as there is room for.
            overlong: how a message that is too long is shortened.
        """
        turn = _Turn(Timing(self._clock()))
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, TurnStarted):
                        turn.timing.first = self._clock()
                        self._window(event.window, overlong)
                    elif isinstance(event, TurnFinished):
                        self._finish(event, turn, max_tokens)
                    else:
                        await self._show(event, turn)
        finally:
            self._output.end_progress()
            self._output.end_line()

    async def _show(self, event: Event, turn: _Turn) -> None:
        if isinstance(event, ReasoningDelta):
            self._thought(event.text, turn)
            return
        self._end_thinking(turn, answers=isinstance(event, TextDelta))
        if isinstance(event, TextDelta):
            self._output.answer(event.text)
        elif isinstance(event, ToolCallReady):
            self._output.end_line()
            self._output.progress(call_line(event.call, self._columns), " …")
        elif isinstance(event, RoundFinished):
            turn.earlier_tokens += event.usage.completion_tokens
            turn.waiting_from = self._clock()
        elif isinstance(event, ToolResult):
            await self._result(event)
            turn.has_waited(self._clock())
        elif isinstance(event, Finished):
            turn.timing.last = self._clock()
            turn.finished = event

    def _window(self, report: WindowReport, overlong: str | None) -> None:
        for line in window_lines(self._say, report, self._before, overlong=overlong):
            self._output.note(line, "warning")
        self._before = report

    def _thought(self, text: str, turn: _Turn) -> None:
        is_first = turn.thinking_from is None
        if is_first:
            turn.thinking_from = self._clock()
        if not self.shows_thinking:
            if is_first:
                self._output.progress(self._say("thinking_now"), " …")
            return
        if is_first and not self._output.notes.color:
            self._output.note(self._say("thinking"))
        self._output.thought(text)

    def _end_thinking(self, turn: _Turn, *, answers: bool) -> None:
        if turn.thinking_from is None:
            return
        began, turn.thinking_from = turn.thinking_from, None
        if not self.shows_thinking:
            self._output.note(self._say("thought_for", seconds=self._clock() - began))
            return
        self._output.end_line()
        if answers and not self._output.notes.color:
            self._output.note(self._say("answer"))

    async def _result(self, result: ToolResult) -> None:
        if self._settled is not None:
            await self._settled()
        line = result_line(self._say, result, self._columns)
        self._output.note(line, "warning" if result.is_error else "dim")
        for image in result.images:
            picture = picture_line(self._say, image)
            self._output.note(picture if result.is_seen else self._say("picture_unseen", picture=picture))
            if self._graphics is not None:
                from duihua.terminal.preview import preview

                self._output.draw(await asyncio.to_thread(preview, image, self._graphics))

    def _finish(self, event: TurnFinished, turn: _Turn, max_tokens: int | None) -> None:
        self._output.end_line()
        reason = turn.finished.reason if turn.finished is not None else "stop"
        if cut := cut_line(self._say, reason, event.window, max_tokens, cure=self._cure):
            self._output.note(cut, "warning")
        used = None
        if turn.earlier_tokens:  # the last prompt has the answers before it
            used = event.window.prompt_tokens + event.usage.completion_tokens - turn.earlier_tokens
        self._output.note(status_line(self._say, event.usage, event.window, turn.timing, used=used))

    @property
    def _columns(self) -> int:
        return self._output.notes.columns() - 1


@dataclass(slots=True)
class _Turn:
    """How far a turn is."""

    timing: Timing
    finished: Finished | None = None
    thinking_from: float | None = None  # when the thinking began that goes on
    earlier_tokens: int = 0  # of the answers of earlier rounds
    waiting_from: float | None = None  # when the calls of this round began to run

    def has_waited(self, now: float) -> None:
        """One more result is there."""
        if self.waiting_from is not None:
            self.timing.idle += now - self.waiting_from
            self.waiting_from = now
