"""Asks the person at the keyboard whether a tool may run; where nobody is, says what would let it."""

from __future__ import annotations

import asyncio
import json
import signal
import unicodedata
from collections.abc import Awaitable, Callable
from typing import Final

from duihua.errors import ToolDenied
from duihua.messages import ToolCall
from duihua.terminal.calls import call_line, call_pieces
from duihua.terminal.output import Output
from duihua.terminal.texts import Say
from duihua.tools.approval import Answer, Question

__all__ = ["Consent", "ReadLine"]

ReadLine = Callable[[str], Awaitable[str]]
"""Reads a line after this prompt; EOFError for Ctrl-D, KeyboardInterrupt for Ctrl-C."""

_ANSWERS: Final[dict[str, Answer]] = {
    **dict.fromkeys(("y", "yes", "是", "好"), "yes"),
    **dict.fromkeys(("n", "no", "否", "不"), "no"),
    **dict.fromkeys(("a", "always", "总是"), "always"),
}


class Consent:
    """What a person says about calls.

    Attributes:
        read_line: reads an answer; None: there is nobody, and a tool that would ask does not run.
        always: tools that may run from now on without being asked about.
    """

    def __init__(self, output: Output, say: Say) -> None:
        self.read_line: ReadLine | None = None
        self.always: set[str] = set()
        self._output = output
        self._say = say
        self._is_free = asyncio.Event()
        self._is_free.set()

    async def ask(self, question: Question) -> Answer:
        """Show a call whole, and give the answer; Ctrl-D is no, Ctrl-C stops the turn.

        Raises:
            ToolDenied: there is nobody to ask.
        """
        if self.read_line is None:
            self._output.note(self._say("allow_nobody", name=question.tool), "warning")
            raise ToolDenied(f"the tool {question.tool} runs only when somebody allows it, and nobody can be asked")
        self._is_free.clear()
        try:
            answer = await self._answer(question, self.read_line)
        finally:
            self._is_free.set()
        if answer == "always":
            self.always.add(question.tool)
        if answer != "no":
            self._output.progress(call_line(_call(question), self._output.notes.columns()), " …")
        return answer

    async def settled(self) -> None:
        """Wait until nothing is being asked: what is written meanwhile would stand in the question's line."""
        await self._is_free.wait()

    async def _answer(self, question: Question, read_line: ReadLine) -> Answer:
        self._output.marked(call_pieces(_call(question)))
        while True:
            try:
                line = await read_line(self._say("allow_question"))
            except EOFError:
                return "no"
            except KeyboardInterrupt:
                signal.raise_signal(signal.SIGINT)  # whoever runs the turn stops it, and this with it
                await asyncio.get_running_loop().create_future()
                raise
            answer = _ANSWERS.get(unicodedata.normalize("NFKC", line).strip().lower())
            if answer is not None:
                return answer


def _call(question: Question) -> ToolCall:
    arguments = json.dumps(dict(question.arguments), ensure_ascii=False, default=repr)
    return ToolCall("", question.tool, arguments)
