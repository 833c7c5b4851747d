"""One answer, or one conversation from a file, without a keyboard: what programs and pipes use."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from dataclasses import dataclass

from duihua.errors import DuihuaError
from duihua.events import Event
from duihua.terminal.jsonl import error_line, event_line, image_line
from duihua.terminal.output import Output
from duihua.terminal.session import Session
from duihua.terminal.turn import Narrator

__all__ = ["Reader", "ask", "replay"]


@dataclass(frozen=True, slots=True)
class Reader:
    """Shows turns: as an answer with notes, or as JSON lines."""

    output: Output
    narrator: Narrator
    json: bool = False

    async def read(
        self, events: AsyncGenerator[Event], *, max_tokens: int | None = None, overlong: str | None = None
    ) -> None:
        """Show one turn.

        Raises:
            DuihuaError: the turn's own; as JSON it is printed too.
        """
        if not self.json:
            await self.narrator.show(events, max_tokens=max_tokens, overlong=overlong)
            return
        try:
            async with aclosing(events):
                async for event in events:
                    self.output.answer(event_line(event) + "\n")
        except DuihuaError as error:
            self.output.answer(error_line(error) + "\n")
            raise


async def ask(session: Session, text: str, reader: Reader) -> None:
    """Say one text, with the pictures that are staged, and show the answer.

    Raises:
        DuihuaError: the turn's own.
    """
    message = session.message(text)
    if reader.json:
        for image in session.pictures:
            session.output.answer(image_line(image) + "\n")
    else:
        for line in session.picture_lines():
            session.output.note(line)
    session.stage([])
    await reader.read(
        session.conversation.send(message.parts),
        max_tokens=session.sampling.max_tokens,
        overlong=session.conversation.window.overlong,
    )


async def replay(session: Session, lines: AsyncIterable[str], reader: Reader) -> None:
    """Hold one conversation, each line a user message; a blank line stands between two answers.

    Pictures that are staged go with the first line. A line is never a command.

    Raises:
        DuihuaError: of the first turn that fails; what was answered before stands printed.
    """
    is_first = True
    async for line in lines:
        if not reader.json:
            if not is_first:
                session.output.answer("\n")
            session.output.note(f"> {line}")
        is_first = False
        await ask(session, line, reader)
