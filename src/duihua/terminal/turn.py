"""One turn on the screen: its events as they stream, and what is said about it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from duihua.events import Event, Finished, ReasoningDelta, TextDelta, TurnFinished, TurnStarted, WindowReport
from duihua.terminal.output import Output
from duihua.terminal.status import Timing, cut_line, status_line, window_lines
from duihua.terminal.texts import Say

__all__ = ["Narrator"]


class Narrator:
    """Shows the turns of one conversation, and remembers what the window had already cut.

    Args:
        clock: seconds, for time to first token and speed.
        cure: what to do about an answer that was cut at max_tokens.
    """

    def __init__(
        self,
        output: Output,
        say: Say,
        *,
        clock: Callable[[], float] = time.perf_counter,
        cure: str = "--max-tokens N",
    ) -> None:
        self._cure = cure
        self._output = output
        self._say = say
        self._clock = clock
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
        timing, finished, is_thinking = Timing(self._clock()), None, False
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, TurnStarted):
                        timing.first = self._clock()
                        self._window(event.window, overlong)
                    elif isinstance(event, ReasoningDelta):
                        self._thought(event.text, is_first=not is_thinking)
                        is_thinking = True
                    elif isinstance(event, TextDelta):
                        self._answer(event.text, after_thinking=is_thinking)
                        is_thinking = False
                    elif isinstance(event, Finished):
                        timing.last = self._clock()
                        finished = event
                    elif isinstance(event, TurnFinished):
                        self._finish(event, finished, timing, max_tokens)
        finally:
            self._output.end_line()

    def _window(self, report: WindowReport, overlong: str | None) -> None:
        for line in window_lines(self._say, report, self._before, overlong=overlong):
            self._output.note(line, "warning")
        self._before = report

    def _thought(self, text: str, *, is_first: bool) -> None:
        if is_first and not self._output.notes.color:
            self._output.note(self._say("thinking"))
        self._output.thought(text)

    def _answer(self, text: str, *, after_thinking: bool) -> None:
        if after_thinking:
            self._output.end_line()
            if not self._output.notes.color:
                self._output.note(self._say("answer"))
        self._output.answer(text)

    def _finish(self, event: TurnFinished, finished: Finished | None, timing: Timing, max_tokens: int | None) -> None:
        self._output.end_line()
        reason = finished.reason if finished is not None else "stop"
        if cut := cut_line(self._say, reason, event.window, max_tokens, cure=self._cure):
            self._output.note(cut, "warning")
        self._output.note(status_line(self._say, event.usage, event.window, timing))
