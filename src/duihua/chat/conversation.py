"""One conversation: what was said, and what the model will see of it next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from duihua.chat.protocol import ChatService, Explanation, TurnOptions
from duihua.errors import ConversationBusy, InvalidMessages, InvalidParameter
from duihua.events import Event, Finished, ReasoningDelta, TextDelta, ToolCallReady, TurnFinished
from duihua.image import Image
from duihua.messages import ImageAt, Message, SampledRun, ToolCall
from duihua.prompt.window import WindowPolicy
from duihua.sampling import Sampling

__all__ = ["Conversation", "Entry", "Outcome", "Reply"]

Outcome = Literal["complete", "stopped", "failed", "returned"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened: a message, and what became of its turn.

    "stopped": the answer was cut short by the user and kept; "failed": an error ended the turn; "returned": it
    was stopped before the first token. The messages of failed and returned turns are not in the context.
    """

    message: Message
    outcome: Outcome = "complete"


@dataclass(slots=True)
class Reply:
    """An answer put together from its events."""

    text: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    sampled: tuple[SampledRun, ...] = ()

    def add(self, event: Event) -> None:
        """Take in one event of choice 0."""
        if isinstance(event, TextDelta) and event.choice == 0:
            self.text.append(event.text)
        elif isinstance(event, ReasoningDelta) and event.choice == 0:
            self.reasoning.append(event.text)
        elif isinstance(event, ToolCallReady) and event.choice == 0:
            self.calls.append(event.call)
        elif isinstance(event, Finished) and event.choice == 0:
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


class Conversation:
    """A conversation with one model, one turn at a time.

    *Record* and *context* are two things: the record keeps everything that happened; the context is what the
    model sees next. An error leaves the context as it was. A stop keeps the partial answer, or, before the first
    token, gives the user's message back in `unsent` and `unsent_images`.

    Attributes:
        system: the system prompt; may be changed between turns.
        sampling, window, options: how the next turn is made.
        unsent: the words of the last message while it has no answer: its turn runs, failed, or was stopped before
            its first token; else None.
        unsent_images: the pictures among them.
    """

    def __init__(
        self,
        chat: ChatService,
        *,
        system: str | None = None,
        sampling: Sampling = Sampling(),
        window: WindowPolicy = WindowPolicy(),
        history: Sequence[Message] = (),
    ) -> None:
        self.chat = chat
        self.system = system
        self.sampling = sampling
        self.window = window
        self.options = TurnOptions()
        self.unsent: str | None = None
        self.unsent_images: tuple[ImageAt, ...] = ()
        self._entries = [Entry(message) for message in history]
        self._context = list(history)
        self._is_busy = False

    @property
    def context(self) -> tuple[Message, ...]:
        """What the model will see next, before the window cuts it; the system prompt is not in it."""
        return tuple(self._context)

    @property
    def record(self) -> tuple[Entry, ...]:
        """Everything that happened, in order."""
        return tuple(self._entries)

    def clear(self) -> None:
        """Forget every turn; the system prompt and settings stay.

        Raises:
            ConversationBusy: a turn is running.
        """
        self._refuse_if_busy()
        self._entries.clear()
        self._context.clear()
        self.unsent, self.unsent_images = None, ()
        self.options = replace(self.options, started=None)

    def explain(self) -> Explanation:
        """What the model would see if it were to answer now; a conversation without turns raises InvalidMessages."""
        return self.chat.explain(self._messages(), self.sampling, self._turn_options())

    async def send(self, said: str | Iterable[str | Image]) -> AsyncGenerator[Event]:
        """One turn: say something, words or words and pictures in their order, and stream the answer.

        Closing the generator, or cancelling the task that reads it, stops the turn.

        Raises:
            ConversationBusy: a turn is running.
            RequestError, EngineError: see `ChatService.stream`; the context stays as it was.
        """
        self._refuse_if_busy()
        user = Message("user", said) if isinstance(said, str) else Message.of("user", said)
        if not user.content.strip() and not user.images:
            raise InvalidMessages("the message is empty: say something")
        self.unsent, self.unsent_images = user.content, user.images
        if (self.sampling.n or 1) > 1:
            raise InvalidParameter("n", self.sampling.n, "a conversation goes on from one answer")
        self._is_busy = True
        if self.options.started is None:
            self.options = replace(self.options, started=datetime.now().astimezone())
        reply, is_committed = Reply(), False
        try:
            stream = self.chat.stream([*self._messages(), user], self.sampling, self._turn_options())
            async with aclosing(stream):
                async for event in stream:
                    reply.add(event)
                    if isinstance(event, TurnFinished):
                        is_committed = True
                        self._commit(user, reply, "complete")
                    yield event
        except (GeneratorExit, asyncio.CancelledError):
            if not is_committed:
                self._commit(user, reply, "stopped" if reply.has_begun else "returned")
            raise
        except BaseException:
            if not is_committed:
                self._commit(user, reply, "failed")
            raise
        finally:
            self._is_busy = False

    def _commit(self, user: Message, reply: Reply, outcome: Outcome) -> None:
        answer = reply.message()
        self._entries.append(Entry(user, outcome))
        if reply.has_begun or outcome == "complete":
            self._entries.append(Entry(answer, outcome))
        if outcome in ("complete", "stopped"):
            self._context += [user, answer]
            self.unsent, self.unsent_images = None, ()

    def _messages(self) -> list[Message]:
        system = [Message("system", self.system)] if self.system else []
        return system + self._context

    def _turn_options(self) -> TurnOptions:
        return replace(self.options, window=self.window)

    def _refuse_if_busy(self) -> None:
        if self._is_busy:
            raise ConversationBusy("this conversation is answering: wait for it, or stop it")
