"""The conversation at the keyboard: read, answer, and go on whatever happens."""

from __future__ import annotations

from duihua.errors import EngineDead
from duihua.terminal.commands import Call, Unknown, understand
from duihua.terminal.input import Keyboard, hushed_echo
from duihua.terminal.output import fitted
from duihua.terminal.session import Session
from duihua.terminal.signals import Interrupt
from duihua.terminal.turn import Narrator

__all__ = ["Repl"]


class Repl:
    """Reads lines until the user leaves.

    Args:
        debug: show the traceback of an error nobody raised on purpose.
    """

    def __init__(self, session: Session, keyboard: Keyboard, *, debug: bool = False) -> None:
        self._session = session
        self._keyboard = keyboard
        session.is_debugging = debug
        self._narrator = Narrator(
            session.output,
            session.say,
            cure="/set max_tokens N",
            graphics=session.graphics,
            settled=session.consent.settled if session.consent is not None else None,
        )
        if session.consent is not None:
            session.consent.read_line = keyboard.read_answer

    async def run(self) -> None:
        """Talk until the user leaves."""
        with hushed_echo():  # the prompt's own mode comes and goes inside it, so no key falls into an echoing gap
            await self._talk()

    async def _talk(self) -> None:
        session, given_back = self._session, ""
        while not session.is_leaving:
            try:
                adapters = tuple(session.conversation.chat.adapters)
                text = await self._keyboard.read(
                    given_back, adapter=session.adapter, adapters=adapters, above=self._staged()
                )
            except EOFError:
                return
            except KeyboardInterrupt:
                session.output.note(session.say("how_to_leave"))
                given_back = ""
                continue
            given_back = await self._take(text)

    def _staged(self) -> str:
        session = self._session
        pictures = ", ".join(session.picture_lines())
        line = session.say("picture_staged", pictures=pictures) if pictures else ""
        return fitted(line, session.output.notes.columns() - 1)

    async def _take(self, text: str) -> str:
        """Do what a line asks for; the text to put back into the line."""
        session, said = self._session, understand(text)
        if isinstance(said, Unknown):
            guess = session.say("did_you_mean", name=said.nearest) if said.nearest else ""
            session.output.note(session.say("unknown_command", name=said.name, guess=guess))
            return ""
        if isinstance(said, Call):
            await self._call(said)
            return ""
        if not said.text.strip():
            return ""
        await self._answer(said.text)
        session.output.note("")
        return session.conversation.unsent or ""

    async def _call(self, call: Call) -> None:
        session = self._session
        if call.argument and not call.command.argument:
            session.output.note(session.say("no_argument", name=f"/{call.command.name}"))
            return
        try:
            await call.command.run(session, call.argument)
        except Exception as error:  # noqa: BLE001  the edge of the loop: the conversation goes on
            self._tell(error)

    async def _answer(self, text: str) -> None:
        session, conversation = self._session, self._session.conversation
        self._narrator.shows_thinking = session.shows_thinking
        try:
            with Interrupt() as interrupt:
                await self._narrator.show(
                    conversation.send(session.message(text).parts),
                    max_tokens=session.sampling.max_tokens,
                    overlong=conversation.window.overlong,
                )
        except Exception as error:  # noqa: BLE001  as above
            self._tell(error)
        else:
            if interrupt.happened:
                self._tell_stopped()
        session.stage([placed.image for placed in conversation.unsent_images])

    def _tell_stopped(self) -> None:
        session, conversation = self._session, self._session.conversation
        if conversation.unsent is None:
            session.output.note(session.say("stopped"))
        else:
            session.output.note(session.say("returned_pictures" if conversation.unsent_images else "returned"))

    def _tell(self, error: Exception) -> None:
        self._session.tell(error)
        if isinstance(error, EngineDead):
            self._session.output.note(self._session.say("engine_starts_again"))
