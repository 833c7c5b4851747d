"""A turn's events put together: its answers, and what stays of it when it ends early."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from duihua.events import Event, Finished, ReasoningDelta, RoundFinished, TextDelta, ToolCallReady, ToolResult
from duihua.messages import Message, SampledRun, ToolCall

__all__ = ["Reply", "TurnFold"]

_STOPPED: Final = "Error: it was stopped before its result was there; what it did until then is done"


@dataclass(slots=True)
class Reply:
    """An answer put together from its events, those of one choice."""

    choice: int = 0
    text: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    sampled: tuple[SampledRun, ...] = ()

    def add(self, event: Event) -> None:
        """Take in one event; others than this choice's change nothing."""
        if getattr(event, "choice", None) != self.choice:
            return
        if isinstance(event, TextDelta):
            self.text.append(event.text)
        elif isinstance(event, ReasoningDelta):
            self.reasoning.append(event.text)
        elif isinstance(event, ToolCallReady):
            self.calls.append(event.call)
        elif isinstance(event, Finished):
            self.sampled = event.sampled

    @property
    def has_begun(self) -> bool:
        """Whether anything was said."""
        return bool(self.text or self.reasoning or self.calls)

    def message(self) -> Message:
        """The answer as a message."""
        return Message(
            "assistant",
            "".join(self.text),
            reasoning="".join(self.reasoning),
            tool_calls=tuple(self.calls),
            sampled=self.sampled,
        )


class TurnFold:
    """A turn put together from its events, those of one choice: rounds of calls and results, and the last answer.

    Attributes:
        answer: the one that is being given, or was given last; nothing in it where none followed the last results.
    """

    def __init__(self, choice: int = 0) -> None:
        self.answer = Reply(choice)
        self._rounds: list[Message] = []
        self._asked: Message | None = None  # the answer whose calls are being seen to
        self._results: dict[str, ToolResult] = {}

    def add(self, event: Event) -> None:
        """Take in one event."""
        if isinstance(event, RoundFinished):
            self._close_round()
            self._asked, self.answer = event.message, Reply(event.choice)
        elif isinstance(event, ToolResult):
            self._results[event.call.id] = event
        else:
            self.answer.add(event)

    @property
    def has_begun(self) -> bool:
        """Whether anything was said."""
        return self._asked is not None or self.answer.has_begun

    @property
    def rounds(self) -> tuple[Message, ...]:
        """The answers that made calls, each followed by a result for each call, in the order of the calls.

        A call without a result was stopped; its result says so.
        """
        return (*self._rounds, *self._open_round())

    @property
    def messages(self) -> tuple[Message, ...]:
        """All of a turn that came to its end, for the history."""
        has_answer = self.answer.has_begun or not self.rounds
        return (*self.rounds, self.answer.message()) if has_answer else self.rounds

    @property
    def results(self) -> tuple[ToolResult, ...]:
        """What became of the calls, in their order."""
        asked = [call.id for message in self.rounds for call in message.tool_calls]
        return tuple(self._results[call_id] for call_id in asked if call_id in self._results)

    def cut_answer(self) -> Iterator[Message]:
        """The last answer where it was cut short: its calls are dropped, for nothing answers them."""
        answer = self.answer.message()
        if answer.content or answer.reasoning:
            yield replace(answer, tool_calls=(), sampled=()) if answer.tool_calls else answer

    def _close_round(self) -> None:
        self._rounds += self._open_round()
        self._asked = None

    def _open_round(self) -> Iterable[Message]:
        if self._asked is not None:
            yield self._asked
            for call in self._asked.tool_calls:
                result = self._results.get(call.id) or ToolResult(call=call, content=_STOPPED, is_error=True)
                yield result.message
