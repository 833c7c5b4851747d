"""One conversation: what was said, and what the model will see of it next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from duihua.chat.fold import TurnFold
from duihua.chat.protocol import ChatService, Explanation, TurnOptions
from duihua.chat.tool_loop import LoopLimits, stream_with_tools
from duihua.errors import ConversationBusy, InvalidMessages, InvalidParameter
from duihua.events import Event, TurnFinished
from duihua.image import Image
from duihua.messages import ImageAt, Message
from duihua.prompt.window import WindowPolicy
from duihua.sampling import Sampling
from duihua.tools.toolbox import Toolbox

__all__ = ["Conversation", "Entry", "Outcome"]

Outcome = Literal["complete", "stopped", "failed", "returned"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened: a message, and what became of its turn.

    "stopped": the turn was cut short and kept, by the user, or by an error after tools had run; "failed": an error
    ended it; "returned": it was stopped before the first token. The context has nothing of the last two.
    """

    message: Message
    outcome: Outcome = "complete"


class Conversation:
    """A conversation with one model, one turn at a time.

    *Record* and *context* are two things: the record keeps everything that happened; the context is what the
    model sees next. An error leaves the context as it was. A stop keeps the partial answer, or, before the first
    token, gives the user's message back in `unsent` and `unsent_images`.

    What tools have done is done: calls that were run stay in the context with their results, whatever ends the turn, so
    that none is run again unknown to the model. A call that was stopped says so as its result; one that was not whole,
    or not begun, is dropped.

    Attributes:
        system: the system prompt; may be changed between turns.
        sampling, window, options: how the next turn is made.
        toolbox: what the model may call, and is run; may be changed between turns, and is not closed here. None: no
            tools but those of `options`, whose calls end the turn and are the caller's.
        limits: how long a turn may go on calling.
        unsent: the words of the last message while it has no answer: its turn runs, failed, or was stopped before
            its first token; else None.
        unsent_images: the pictures among them.
    """

    def __init__(  # noqa: PLR0913  the attributes that a conversation begins with
        self,
        chat: ChatService,
        *,
        system: str | None = None,
        sampling: Sampling = Sampling(),
        window: WindowPolicy = WindowPolicy(),
        history: Sequence[Message] = (),
        toolbox: Toolbox | None = None,
        limits: LoopLimits = LoopLimits(),
    ) -> None:
        self.chat = chat
        self.system = system
        self.sampling = sampling
        self.window = window
        self.options = TurnOptions()
        self.toolbox = toolbox
        self.limits = limits
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
        options = self._turn_options()
        if self.toolbox is not None:
            options = replace(options, tools=self.toolbox.schemas)
        return self.chat.explain(self._messages(), self.sampling, options)

    async def send(self, said: str | Iterable[str | Image] | None) -> AsyncGenerator[Event]:
        """One turn: say something, words or words and pictures in their order, and stream the answer.

        Closing the generator, or cancelling the task that reads it, stops the turn.

        Args:
            said: None where the context ends with results of calls, after a turn that ended early: they are answered.

        Raises:
            ConversationBusy: a turn is running.
            RequestError, EngineError: see `ChatService.stream`, and `stream_with_tools` where there is a toolbox.
        """
        self._refuse_if_busy()
        user = self._asked(said)
        self.unsent, self.unsent_images = (user[0].content, user[0].images) if user else (None, ())
        if (self.sampling.n or 1) > 1:
            raise InvalidParameter("n", self.sampling.n, "a conversation goes on from one answer")
        self._is_busy = True
        if self.options.started is None:
            self.options = replace(self.options, started=datetime.now().astimezone())
        turn, is_committed = TurnFold(), False
        try:
            async with aclosing(self._stream([*self._messages(), *user])) as stream:
                async for event in stream:
                    turn.add(event)
                    if isinstance(event, TurnFinished):
                        is_committed = True
                        self._keep([*user, *turn.messages], "complete")
                    yield event
        except (GeneratorExit, asyncio.CancelledError):
            if not is_committed:
                self._commit_cut(user, turn, "stopped" if turn.has_begun else "returned")
            raise
        except BaseException:
            if not is_committed:
                self._commit_cut(user, turn, "failed")
            raise
        finally:
            self._is_busy = False

    def _asked(self, said: str | Iterable[str | Image] | None) -> list[Message]:
        """The user's message, or none where results are answered."""
        if said is None:
            if not self._context or self._context[-1].role != "tool":
                raise InvalidMessages("there are no results of calls to answer: say something")
            return []
        user = Message("user", said) if isinstance(said, str) else Message.of("user", said)
        if not user.content.strip() and not user.images:
            raise InvalidMessages("the message is empty: say something")
        return [user]

    def _stream(self, messages: Sequence[Message]) -> AsyncGenerator[Event]:
        if self.toolbox is None:
            return self.chat.stream(messages, self.sampling, self._turn_options())
        return stream_with_tools(
            self.chat, messages, self.sampling, self._turn_options(), toolbox=self.toolbox, limits=self.limits
        )

    def _commit_cut(self, user: Sequence[Message], turn: TurnFold, outcome: Outcome) -> None:
        """Keep of a turn that ended early what must stay."""
        if outcome == "stopped":
            self._keep([*user, *turn.rounds, *turn.cut_answer()], outcome)
        elif turn.rounds:
            self._keep([*user, *turn.rounds], "stopped")
            self._entries += [Entry(message, outcome) for message in turn.cut_answer()]
        else:
            self._entries += [Entry(message, outcome) for message in (*user, *turn.cut_answer())]

    def _keep(self, messages: Sequence[Message], outcome: Outcome) -> None:
        self._entries += [Entry(message, outcome) for message in messages]
        self._context += messages
        self.unsent, self.unsent_images = None, ()

    def _messages(self) -> list[Message]:
        system = [Message("system", self.system)] if self.system else []
        return system + self._context

    def _turn_options(self) -> TurnOptions:
        return replace(self.options, window=self.window)

    def _refuse_if_busy(self) -> None:
        if self._is_busy:
            raise ConversationBusy("this conversation is answering: wait for it, or stop it")
