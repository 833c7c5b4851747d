"""An answer in Python: a string that knows how it came about."""

from __future__ import annotations

from typing import Self

from duihua.events import Event as Event
from duihua.events import (
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallReady,
    TurnFinished,
    Usage,
    WindowReport,
)
from duihua.messages import Message, ToolCall

__all__ = ["Reply", "ReplyFold"]


class Reply(str):
    """An answer's text.

    Attributes:
        reasoning: the model's thinking, where it has any.
        tool_calls: the calls it asks for; `message` before their results continues the history.
        finish_reason: "stop", "length" where max_tokens or the context window cut it, or "tool_calls".
        usage: tokens of the turn.
        window: what the context window made of the history.
        message: the answer as a message, to go into a history.
    """

    __slots__ = ("finish_reason", "message", "reasoning", "tool_calls", "usage", "window")

    message: Message
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    usage: Usage
    window: WindowReport

    @classmethod
    def of(cls, message: Message, finished: Finished, turn: TurnFinished) -> Self:
        """Put together what a finished turn gave."""
        reply = cls(message.content)
        reply.message = message
        reply.reasoning = message.reasoning
        reply.tool_calls = message.tool_calls
        reply.finish_reason = finished.reason
        reply.usage = turn.usage
        reply.window = turn.window
        return reply


class ReplyFold:
    """Folds a turn's events into its replies, one per choice."""

    def __init__(self) -> None:
        self._text: dict[int, list[str]] = {}
        self._reasoning: dict[int, list[str]] = {}
        self._calls: dict[int, list[ToolCall]] = {}
        self._finished: dict[int, Finished] = {}
        self._turn: TurnFinished | None = None

    def add(self, event: Event) -> None:
        """Take in one event."""
        if isinstance(event, TextDelta):
            self._text.setdefault(event.choice, []).append(event.text)
        elif isinstance(event, ReasoningDelta):
            self._reasoning.setdefault(event.choice, []).append(event.text)
        elif isinstance(event, ToolCallReady):
            self._calls.setdefault(event.choice, []).append(event.call)
        elif isinstance(event, Finished):
            self._finished[event.choice] = event
        elif isinstance(event, TurnFinished):
            self._turn = event

    def replies(self) -> list[Reply]:
        """The replies of a whole turn, in the order of the choices."""
        assert self._turn is not None, "the turn is not finished"  # noqa: S101
        return [
            Reply.of(
                Message(
                    "assistant",
                    "".join(self._text.get(choice, ())),
                    reasoning="".join(self._reasoning.get(choice, ())),
                    tool_calls=tuple(self._calls.get(choice, ())),
                    sampled=finished.sampled,
                ),
                finished,
                self._turn,
            )
            for choice, finished in sorted(self._finished.items())
        ]
