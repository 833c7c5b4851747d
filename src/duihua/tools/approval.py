"""A tool that runs only when a person, or a rule, allows it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from duihua.errors import ToolDenied
from duihua.tools.deadline import stopped_clock
from duihua.tools.tool import Tool, ToolOutput
from duihua.tools.wrapper import Wrapper

__all__ = ["Answer", "Approval", "Approver", "Ask", "Question"]

Approval = Literal["ask", "always", "never"]
"""Whether a tool may run: after asking each time, always, never."""

Answer = Literal["yes", "no", "always"]
"""What a person says: this once, not now, this tool from now on."""


@dataclass(frozen=True, slots=True)
class Question:
    """A call that a person is asked about."""

    tool: str
    arguments: Mapping[str, Any]


Ask = Callable[[Question], Awaitable[Answer]]
"""Shows a call to a person and gives the answer."""


class Approver:
    """Asks about calls, one at a time, and remembers what may always run."""

    def __init__(self, ask: Ask | None) -> None:
        """Nothing is asked yet.

        Args:
            ask: None where there is nobody to ask: then what would be asked about is denied.
        """
        self._ask = ask
        self._one_by_one = asyncio.Lock()
        self._allowed: set[str] = set()

    def guarded(self, tool: Tool, approval: Approval = "ask") -> Tool:
        """The same tool, which runs when it may; one that always may is the tool itself."""
        return tool if approval == "always" else _Guarded(tool, self, approval)

    async def check(self, question: Question, approval: Approval) -> None:
        """Ask, where that is needed. The clock of the call stands still meanwhile.

        Raises:
            ToolDenied: it must not run.
        """
        if approval == "never":
            raise ToolDenied(f"the tool {question.tool} is not allowed to run here")
        if self._ask is None:
            raise ToolDenied(f"the tool {question.tool} runs only when somebody allows it, and nobody can be asked")
        with stopped_clock():
            async with self._one_by_one:
                if question.tool in self._allowed:
                    return
                answer = await self._ask(question)
        if answer == "always":
            self._allowed.add(question.tool)
        elif answer != "yes":
            raise ToolDenied("the user does not allow this call")


class _Guarded(Wrapper):
    def __init__(self, tool: Tool, approver: Approver, approval: Approval) -> None:
        super().__init__(tool)
        self._approver = approver
        self._approval: Approval = approval

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        """Ask, then call the tool.

        Raises:
            ToolDenied: it must not run.
        """
        await self._approver.check(Question(self.name, arguments), self._approval)
        return await self._tool.call(arguments)
