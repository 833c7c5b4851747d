"""An answer in Python: a string that knows how it came about."""

from __future__ import annotations

from typing import Self

from duihua.chat.fold import TurnFold
from duihua.events import Event, Finished, FinishReason, ToolResult, TurnFinished, Usage, WindowReport
from duihua.messages import Message, ToolCall

__all__ = ["Reply", "ReplyFold"]


class Reply(str):
    """An answer's text.

    Attributes:
        reasoning: the model's thinking, where it has any.
        tool_calls: the calls that it asks the caller for; `message` before their results continues the history.
        steps: the calls that were run on the way, each with what it gave.
        finish_reason: "stop", "length" where max_tokens or the context window cut it, "tool_calls" where there are
            calls that nothing answered, or "context_full" where results no longer fit the context window.
        usage: tokens of the turn.
        window: what the context window made of the history.
        message: the answer as a message; where the turn ended with calls that were run, or refused, an empty one.
        messages: all of the turn as it goes into a history: calls, results, answer.
    """

    __slots__ = ("finish_reason", "message", "messages", "reasoning", "steps", "tool_calls", "usage", "window")

    message: Message
    messages: tuple[Message, ...]
    reasoning: str
    steps: tuple[ToolResult, ...]
    tool_calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    usage: Usage
    window: WindowReport

    @classmethod
    def of(cls, fold: TurnFold, finished: Finished, turn: TurnFinished) -> Self:
        """Put together what a finished turn gave."""
        message = fold.answer.message()
        reply = cls(message.content)
        reply.message = message
        reply.messages = fold.messages
        reply.reasoning = message.reasoning
        reply.steps = fold.results
        reply.tool_calls = message.tool_calls
        reply.finish_reason = finished.reason
        reply.usage = turn.usage
        reply.window = turn.window
        return reply


class ReplyFold:
    """Folds a turn's events into its replies, one per choice."""

    def __init__(self) -> None:
        self._folds: dict[int, TurnFold] = {}
        self._finished: dict[int, Finished] = {}
        self._turn: TurnFinished | None = None

    def add(self, event: Event) -> None:
        """Take in one event."""
        choice = getattr(event, "choice", None)
        if choice is not None:
            self._folds.setdefault(choice, TurnFold(choice)).add(event)
        if isinstance(event, Finished):
            self._finished[event.choice] = event
        elif isinstance(event, TurnFinished):
            self._turn = event

    def replies(self) -> list[Reply]:
        """The replies of a whole turn, in the order of the choices."""
        assert self._turn is not None, "the turn is not finished"  # noqa: S101
        finished = sorted(self._finished.items())
        return [Reply.of(self._folds[choice], each, self._turn) for choice, each in finished]
