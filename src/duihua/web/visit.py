"""One visitor: a conversation of their own, and the turn that runs in it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from duihua.chat.conversation import Conversation
from duihua.chat.protocol import ChatService
from duihua.errors import ConversationBusy, DuihuaError, InvalidMessages
from duihua.messages import Message
from duihua.prompt.window import WindowPolicy
from duihua.sampling import Sampling
from duihua.web.turn import Turn

__all__ = ["Visit", "Wishes"]

_log = logging.getLogger("duihua.web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How the next turn is made: what a visitor sets beside the conversation."""

    system: str | None = None
    sampling: Sampling = Sampling()
    window: WindowPolicy = WindowPolicy()
    adapter: str | None = None  # as in `TurnOptions`


class Visit:
    """A visitor's conversation. Belongs to the chat's event loop.

    The turn runs in a task of its own: a page that reads slowly does not hold the engine, and whoever asks for it
    can stop the turn while another handler shows it.

    Attributes:
        conversation: what was said.
        turn: the one that runs or ran last; None in a new conversation.
    """

    def __init__(self, chat: ChatService, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self.conversation = Conversation(chat)
        self.turn: Turn | None = None
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    @property
    def is_answering(self) -> bool:
        """Whether a turn runs."""
        return self._task is not None

    async def ask(self, text: str, wishes: Wishes = Wishes()) -> AsyncGenerator[Turn]:
        """One turn; yields it whenever more of it is there to show, and once more when it has ended.

        What goes wrong once it runs is the turn's `error`. Closing the generator stops the turn.

        Raises:
            ConversationBusy: a turn is running; nothing was changed.
        """
        self._refuse_if_answering()
        self.conversation.system, self.conversation.sampling = wishes.system, wishes.sampling
        self.conversation.window = wishes.window
        self.conversation.options = replace(self.conversation.options, adapter=wishes.adapter)
        asked = wishes.sampling.over(self.conversation.chat.info.defaults)
        turn = self.turn = Turn(text, self._clock, asked.max_tokens)
        news = asyncio.Event()
        task = self._task = asyncio.create_task(self._run(turn, news))
        task.add_done_callback(lambda _: self._ended(turn, task, news))
        try:
            while not task.done():
                news.clear()
                yield turn
                await news.wait()
        finally:
            await self.stop()
        yield turn

    async def again(self, wishes: Wishes = Wishes()) -> AsyncGenerator[Turn]:
        """Answer the last message anew; the answer before it stays where nothing comes of that.

        Raises:
            ConversationBusy: a turn is running.
            InvalidMessages: there is no answer yet.
        """
        self._refuse_if_answering()
        before = self.conversation
        if len(before.context) < 2:
            raise InvalidMessages("there is no answer to try again")
        asked = max(index for index, message in enumerate(before.context) if message.role == "user")
        history, user = list(before.context[:asked]), before.context[asked]
        self.conversation = _anew(before, history)
        try:
            async with aclosing(self.ask(user.content, wishes)) as turns:
                async for turn in turns:
                    yield turn
        finally:
            if len(self.conversation.context) == len(history):
                self.conversation = before

    async def stop(self) -> None:
        """Stop the turn that runs, if one does; what was said of it is kept."""
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def clear(self) -> None:
        """Begin a new conversation; a turn that runs is stopped."""
        self.turn = None
        await self.stop()
        self.conversation.clear()

    def _ended(self, turn: Turn, task: asyncio.Task[None], news: asyncio.Event) -> None:
        self._task = None
        turn.is_stopped = task.cancelled() and not turn.is_complete
        news.set()

    async def _run(self, turn: Turn, news: asyncio.Event) -> None:
        try:
            async with aclosing(self.conversation.send(turn.text)) as events:
                async for event in events:
                    turn.take(event)
                    news.set()
        except DuihuaError as error:
            turn.error = error
        except Exception as error:  # noqa: BLE001  the edge of the page: the conversation goes on
            _log.exception("a turn of the page failed")
            turn.error = error

    def _refuse_if_answering(self) -> None:
        if self.is_answering:
            raise ConversationBusy("this conversation is answering: wait for it, or stop it")


def _anew(conversation: Conversation, history: list[Message]) -> Conversation:
    """The same conversation, not as far on."""
    made = Conversation(conversation.chat, history=history, toolbox=conversation.toolbox, limits=conversation.limits)
    made.options = conversation.options
    return made
