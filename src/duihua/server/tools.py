"""The tools that this server runs itself, for requests that bring none."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from duihua.chat.protocol import Burst, ChatService, TurnOptions
from duihua.chat.tool_loop import LoopLimits, stream_with_tools
from duihua.events import ToolResult
from duihua.messages import Message
from duihua.sampling import Sampling
from duihua.tools.tool import Tool, schema_of
from duihua.tools.toolbox import Toolbox, ToolLimits

__all__ = ["ServedTools", "told_of"]


class ServedTools:
    """Tools that may run without anybody being asked, and how far a turn may go with them."""

    def __init__(
        self,
        tools: Sequence[Tool],
        *,
        call_limits: ToolLimits = ToolLimits(),
        turn_limits: LoopLimits = LoopLimits(),
        of_a_turn: Callable[[], Sequence[Tool]] = tuple,
    ) -> None:
        """Nothing runs yet.

        Args:
            tools: stay the caller's to close; all turns share them.
            call_limits: what one call may cost.
            turn_limits: what one turn may.
            of_a_turn: makes tools that a turn has for itself, because they remember; they take the place of those of
                the same name.
        """
        self._tools = tuple(tools)
        self._call_limits = call_limits
        self._turn_limits = turn_limits
        self._of_a_turn = of_a_turn

    @property
    def schemas(self) -> tuple[Mapping[str, Any], ...]:
        """The tools as a request has them."""
        return tuple(schema_of(tool) for tool in self._tools)

    async def bursts(
        self,
        chat: ChatService,
        messages: Sequence[Message],
        sampling: Sampling,
        options: TurnOptions,
        names: Sequence[str],
    ) -> AsyncGenerator[Burst]:
        """One turn in which these of the tools are called and run, as `ChatService.bursts` tells a turn.

        Closing it stops the tools that run.

        Raises:
            RequestError, EngineError: see `stream_with_tools`.
        """
        own = {tool.name: tool for tool in self._of_a_turn() if tool.name in names}
        tools = [own.get(tool.name, tool) for tool in self._tools if tool.name in names]
        toolbox = Toolbox(tools, limits=self._call_limits)
        turn = stream_with_tools(chat, messages, sampling, options, toolbox=toolbox, limits=self._turn_limits)
        try:
            async with aclosing(turn) as events:
                async for event in events:
                    yield [event]
        finally:
            await Toolbox(own.values()).aclose()


def told_of(result: ToolResult) -> dict[str, Any]:
    """What a reply tells of a call that was run: everything but its pictures, of which it says how many."""
    return {
        "id": result.call.id,
        "name": result.call.name,
        "arguments": result.call.arguments,
        "content": result.content,
        "images": len(result.images),
        "is_error": result.is_error,
        "seconds": round(result.seconds, 4),
    }
