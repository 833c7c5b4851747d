"""The turns that Python callers ask for: what was said becomes messages here, and answers become replies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from duihua.api.arguments import whole_answer
from duihua.api.history import History, extended, read_history
from duihua.api.how import How
from duihua.api.reply import Reply, ReplyFold
from duihua.api.said import PictureReader, may_hold_pictures, user_message
from duihua.chat.protocol import ChatService
from duihua.events import Event
from duihua.messages import Message

__all__ = ["Asked", "Turns", "whole"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was said, as messages."""

    given: History | None  # as it was given
    before: list[Message]
    user: list[Message]  # none where results of calls are answered

    @property
    def messages(self) -> list[Message]:
        """All of them."""
        return [*self.before, *self.user]


class Turns:
    """Turns of one model."""

    def __init__(self, chat: ChatService, read_image: PictureReader) -> None:
        self._chat = chat
        self._read_image = read_image

    def asked(self, text: object, history: History | None, system: str | None) -> Asked:
        """Check what was given, and read its pictures, here."""
        history = _listed(history)
        before = read_history(history, system=system, read_image=self._read_image)
        goes_on = text is None and bool(before) and before[-1].role == "tool"
        return Asked(history, before, [] if goes_on else [user_message(text, self._read_image)])

    async def asked_apart(self, text: object, history: History | None, system: str | None) -> Asked:
        """The same where pictures are read in a thread: that takes too long for the caller's event loop."""
        history = _listed(history)
        if may_hold_pictures(text, history):
            return await asyncio.to_thread(self.asked, text, history, system)
        return self.asked(text, history, system)

    def takes_long(self, text: object, history: object) -> bool:
        """Whether there may be pictures to read; it takes a history that can be read once as one that may."""
        return isinstance(history, Iterator) or may_hold_pictures(text, history)

    def answered(
        self, asked: Asked, how: How, loop: asyncio.AbstractEventLoop | None = None
    ) -> Coroutine[Any, Any, tuple[Reply, list[Any]]]:
        """The reply, and the history with it; what is wrong with `how` is raised here and now.

        Args:
            loop: see `How.stream`.
        """
        whole_answer(how.sampling)
        events = how.stream(self._chat, asked.messages, loop)

        async def turn() -> tuple[Reply, list[Any]]:
            reply = await whole(events)
            return reply, extended(asked.given, asked.before, asked.user, reply.messages)

        return turn()


async def whole(stream: AsyncGenerator[Event]) -> Reply:
    """The reply that a stream comes to."""
    fold = ReplyFold()
    async with aclosing(stream) as events:
        async for event in events:
            fold.add(event)
    return fold.replies()[0]


def _listed(history: History | None) -> History | None:
    """What may be read twice."""
    return cast("History", list(history)) if isinstance(history, Iterator) else history
