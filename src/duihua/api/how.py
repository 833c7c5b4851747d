"""How a turn is to be made: all that a Python caller says of it beside the words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from duihua.api.arguments import OF_THE_TOOLS, sampling_of, turn_options
from duihua.api.tools import GivenTools, read_tools
from duihua.chat.protocol import ChatService, TurnOptions
from duihua.chat.tool_loop import LoopLimits, stream_with_tools
from duihua.errors import InvalidParameter
from duihua.events import Event
from duihua.messages import Message
from duihua.sampling import Sampling

__all__ = ["How", "how_of"]


@dataclass(frozen=True, slots=True)
class How:
    """What a caller says, checked."""

    sampling: Sampling
    options: TurnOptions
    tools: GivenTools
    limits: LoopLimits

    @property
    def told(self) -> TurnOptions:
        """The options with the tools that the model is told of, whoever runs them."""
        return replace(self.options, tools=self.tools.told)

    def stream(
        self, chat: ChatService, messages: Sequence[Message], loop: asyncio.AbstractEventLoop | None = None
    ) -> AsyncGenerator[Event]:
        """The events of a turn.

        Args:
            loop: where tools run that are async; None: where the chat does.
        """
        toolbox = self.tools.runnable(loop)
        if toolbox is None:
            return chat.stream(messages, self.sampling, self.told)
        return stream_with_tools(chat, messages, self.sampling, self.options, toolbox=toolbox, limits=self.limits)


def how_of(window: object, adapter: object, tools: object, values: Mapping[str, Any]) -> How:
    """Check what a caller says.

    Args:
        values: parameters by name: of sampling, of the answer's form, and of the tools.

    Raises:
        InvalidParameter: says which.
        ConfigError: see `read_tools`.
    """
    limits = values.get("loop_limits") or LoopLimits()
    if not isinstance(limits, LoopLimits):
        raise InvalidParameter("loop_limits", limits, "give a duihua.LoopLimits, such as LoopLimits(rounds=3)")
    run = values.get("run_tools")
    return How(
        sampling_of(values, also=OF_THE_TOOLS),
        turn_options(window, adapter, values),
        read_tools(tools, run=True if run is None else run, approve=values.get("approve")),
        limits,
    )
