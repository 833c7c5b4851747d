"""Tools as Python callers give them: functions and tools to run, or schemas to hand calls out for."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, cast

from duihua.errors import InvalidParameter
from duihua.tools.approval import Answer, Approver, Question
from duihua.tools.function import FunctionTool
from duihua.tools.threads import Threads
from duihua.tools.tool import Tool, ToolOutput, schema_of
from duihua.tools.toolbox import Toolbox
from duihua.tools.wrapper import Wrapper

__all__ = ["Approve", "GivenTools", "Tools", "read_tools"]

Tools: TypeAlias = "Toolbox | Sequence[Callable[..., Any] | Tool | Mapping[str, Any]]"
"""What a model may call: functions, decorated or not, and tools, which are run, or a toolbox of them; or schemas in
OpenAI's form, calls of which are handed out."""

Approve: TypeAlias = Callable[[Question], "bool | Answer | Awaitable[bool | Answer]"]
"""Says whether a call may run: true or "yes", false or "no", or "always" for this tool from now on. One that is not
async is called in a thread of its own."""

_MEMBERS: Final = ("name", "description", "parameters", "call", "aclose")  # of `Tool`
_WHAT: Final = "give functions, tools, a duihua.Toolbox, or schemas in OpenAI's form"


@dataclass(frozen=True, slots=True)
class GivenTools:
    """Tools that were given, checked."""

    schemas: tuple[Mapping[str, Any], ...] = ()  # calls of these are handed out
    toolbox: Toolbox | None = None  # calls of these are run
    approve: Approve | None = None

    @property
    def told(self) -> tuple[Mapping[str, Any], ...]:
        """The schemas of whichever there are."""
        return self.schemas if self.toolbox is None else self.toolbox.schemas

    def runnable(self, loop: asyncio.AbstractEventLoop | None = None) -> Toolbox | None:
        """The tools as they are run, behind the question whether they may.

        Args:
            loop: where async ones run, and async approval is asked; None: where the toolbox itself is used.
        """
        if self.toolbox is None or (loop is None and self.approve is None):
            return self.toolbox
        tools: list[Tool] = [tool if loop is None else _There(tool, loop) for tool in self.toolbox]
        if self.approve is not None:
            approver = Approver(_asker(self.approve, loop))
            tools = [approver.guarded(tool) for tool in tools]
        return Toolbox(tools, limits=self.toolbox.limits)


def read_tools(tools: object, *, run: object = True, approve: object = None) -> GivenTools:
    """Tell functions and tools from schemas.

    Args:
        run: false: the calls of functions are handed out too.
        approve: asked before each call that would run.

    Raises:
        InvalidParameter: something that is neither, both together, or an approval that nobody needs.
        ConfigError: a function that cannot be a tool; two of one name.
    """
    if not isinstance(run, bool):
        raise InvalidParameter("run_tools", run, "give true or false")
    if approve is not None and not callable(approve):
        raise InvalidParameter("approve", approve, "give a function that is asked about a call")
    if isinstance(tools, Toolbox):
        given = GivenTools(toolbox=tools)
    elif isinstance(tools, Sequence) and not isinstance(tools, str | bytes):
        given = _listed(cast("Sequence[object]", tools), is_run=run)
    else:
        raise InvalidParameter("tools", tools, _WHAT)
    if not run:
        given = GivenTools(schemas=given.told)
    if approve is not None and given.toolbox is None:
        raise InvalidParameter("approve", approve, "no tool is run here: leave it out")
    return replace(given, approve=cast("Approve | None", approve))


def _listed(tools: Sequence[object], *, is_run: bool) -> GivenTools:
    read = [dict(cast("Mapping[str, Any]", each)) if isinstance(each, Mapping) else _tool(each) for each in tools]
    running = [each for each in read if not isinstance(each, dict)]
    if not running:
        return GivenTools(schemas=tuple(each for each in read if isinstance(each, dict)))
    if len(running) == len(read):
        return GivenTools(toolbox=Toolbox(running))
    if is_run:
        why = "calls of schemas are handed out, functions are run: give one kind, or run_tools=False"
        raise InvalidParameter("tools", "functions and schemas", why)
    return GivenTools(schemas=tuple(each if isinstance(each, dict) else schema_of(each) for each in read))


def _tool(value: object) -> Tool:
    if isinstance(value, type) or not (callable(value) or all(hasattr(value, member) for member in _MEMBERS)):
        raise InvalidParameter("tools", value, _WHAT)
    if all(hasattr(value, member) for member in _MEMBERS):
        return cast("Tool", value)
    return FunctionTool(cast("Callable[..., Any]", value))


class _There(Wrapper):
    """A tool that runs in another event loop than the one that calls it."""

    def __init__(self, tool: Tool, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(tool)
        self._loop = loop
        self._context = contextvars.copy_context()  # the caller's: the clock of a call stays here

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        """Call the tool there; cancelling cancels it there."""
        return await _elsewhere(lambda: self._tool.call(arguments), self._loop, self._context.copy())

    async def aclose(self) -> None:
        """It is its owner's, there."""


async def _elsewhere(make: Callable[[], Any], loop: asyncio.AbstractEventLoop, context: contextvars.Context) -> Any:
    async def work() -> Any:
        return await make()

    future = context.run(asyncio.run_coroutine_threadsafe, work(), loop)
    return await asyncio.wrap_future(future)


def _asker(approve: Approve, loop: asyncio.AbstractEventLoop | None) -> Callable[[Question], Awaitable[Answer]]:
    context, threads = contextvars.copy_context(), Threads("approve")

    async def ask(question: Question) -> Answer:
        said: Any
        if not inspect.iscoroutinefunction(approve):
            said = await threads.run(lambda: approve(question))
        elif loop is None:
            said = await approve(question)
        else:
            said = await _elsewhere(lambda: approve(question), loop, context.copy())
        if said not in (True, False, "yes", "no", "always"):
            raise InvalidParameter("approve", said, 'answer true, false, "yes", "no" or "always"')
        return said if isinstance(said, str) else "yes" if said else "no"  # pyright: ignore[reportReturnType]

    return ask
