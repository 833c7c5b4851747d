"""`/compare`: the base model and every adapter answer the same thing, all at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime

from duihua.chat.conversation import Conversation
from duihua.errors import EngineDead
from duihua.events import Event
from duihua.messages import Message
from duihua.terminal.output import fitted
from duihua.terminal.pictures import said_line
from duihua.terminal.session import Session
from duihua.terminal.signals import Interrupt
from duihua.terminal.turn import Narrator

__all__ = ["run_compare"]


async def run_compare(session: Session, argument: str) -> None:
    """Show the answers of the base model and of each adapter to one text, or to the last message again.

    The conversation stays as it was. A text is asked with the pictures that are staged, and they stay so. An answer
    that fails has its error in its place.
    """
    say, output, conversation = session.say, session.output, session.conversation
    question = _question(session, argument)
    if not conversation.chat.adapters:
        output.note(say("compare_none"))
        return
    if question is None:
        output.note(say("compare_usage"))
        return
    history, asked = question
    if not argument:
        output.note(fitted(f"> {' '.join(said_line(say, asked).split())}", output.notes.columns() - 1))
    with Interrupt() as interrupt:
        await _Comparison(session, history).show(asked)
    output.note("")
    output.note(say("compare_stopped" if interrupt.happened else "compare_done"))


def _question(session: Session, argument: str) -> tuple[Sequence[Message], Message] | None:
    """(what was said before it, what is asked); None where nothing was said yet."""
    context = session.conversation.context
    if argument:
        return context, session.message(argument)
    for index in range(len(context) - 1, -1, -1):
        if context[index].role == "user":
            return context[:index], context[index]
    return None


class _Comparison:
    """Answers that are made side by side and shown one under another, each as it streams once it is its turn."""

    def __init__(self, session: Session, history: Sequence[Message]) -> None:
        self._session = session
        self._history = history
        self._started = session.conversation.options.started or datetime.now().astimezone()
        self._now = 0.0
        # Its clock is that of the answer it shows: what is shown late was not made late.
        self._narrator = Narrator(session.output, session.say, clock=lambda: self._now, cure="/set max_tokens N")

    async def show(self, asked: Message) -> None:
        """Ask, and show every answer; a cancellation stops them all."""
        session = self._session
        parts = [_Part(name, self._aside(name)) for name in ("", *session.conversation.chat.adapters)]
        tasks = [asyncio.create_task(part.answer(asked)) for part in parts]
        is_dead = False
        try:
            for part in parts:
                session.output.note("")
                session.output.note(f"── {self._label(part.adapter)}", "bold")
                is_dead |= await self._tell(part)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if is_dead:
            session.output.note(session.say("engine_starts_again"))

    def _aside(self, adapter: str) -> Conversation:
        """A conversation that has heard what this one has, and is thrown away."""
        ours = self._session.conversation
        aside = Conversation(
            ours.chat, system=ours.system, sampling=ours.sampling, window=ours.window, history=self._history
        )
        aside.options = replace(ours.options, started=self._started, adapter=adapter)
        return aside

    def _label(self, adapter: str) -> str:
        say = self._session.say
        name = adapter or say("base_model")
        return f"{name} · {say('lora_in_use')}" if adapter == (self._session.adapter or "") else name

    async def _tell(self, part: _Part) -> bool:
        """Show one answer to its end; whether the engine died under it."""
        self._now = part.asked
        try:
            await self._narrator.show(
                self._events(part),
                max_tokens=self._session.sampling.max_tokens,
                overlong=self._session.conversation.window.overlong,
            )
        except Exception as error:  # noqa: BLE001  the other answers go on
            self._session.tell(error)
            return isinstance(error, EngineDead)
        return False

    async def _events(self, part: _Part) -> AsyncGenerator[Event]:
        while (item := await part.said.get()) is not None:
            if isinstance(item, Exception):
                raise item
            self._now, event = item
            yield event


class _Part:
    """One of the answers: its events with the moments at which they came.

    Args:
        adapter: empty for the base model.
    """

    def __init__(self, adapter: str, aside: Conversation) -> None:
        self.adapter = adapter
        self.said: asyncio.Queue[tuple[float, Event] | Exception | None] = asyncio.Queue()
        self.asked = time.perf_counter()
        self._aside = aside

    async def answer(self, asked: Message) -> None:
        """Generate it, whether or not somebody looks."""
        try:
            async with aclosing(self._aside.send(asked.parts)) as events:
                async for event in events:
                    self.said.put_nowait((time.perf_counter(), event))
        except Exception as error:  # noqa: BLE001  it is told in the answer's place
            self.said.put_nowait(error)
        else:
            self.said.put_nowait(None)
