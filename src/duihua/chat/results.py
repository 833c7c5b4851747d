"""What calls gave, as the model is told: what does not fit its window, or cannot be shown to it, is said in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from duihua.chat.protocol import ChatService, TurnOptions
from duihua.errors import RequestError
from duihua.events import ToolResult, WindowReport
from duihua.messages import Message
from duihua.prompt.exchanges import Parted
from duihua.tools.toolbox import ToolOutcome

__all__ = ["Results"]


class Results:
    """The results of one answer's calls.

    A result is tried in the next prompt before it is taken, so that one that is too long is refused while the model can
    still ask for less. How long is too long: what would be left when every exchange that may be dropped was.

    Args:
        messages: what was answered.
        options: how the next prompt is made.
        asking: the answer with the calls.
        window: of that answer.
    """

    def __init__(
        self,
        chat: ChatService,
        messages: Sequence[Message],
        options: TurnOptions,
        asking: Message,
        window: WindowReport,
    ) -> None:
        self._chat = chat
        self._messages = list(messages)
        self._options = options
        self._asking = asking
        self._room = min(window.limit, window.context_window - window.reserve)
        self._taken: dict[str, Message] = {}

    @property
    def messages(self) -> list[Message]:
        """The answer and its results, in the order of its calls; one that has not come is empty."""
        empty = (ToolResult(call=call, content="").message for call in self._asking.tool_calls)
        return [self._asking, *(self._taken.get(message.tool_call_id or "", message) for message in empty)]

    async def check(self) -> None:
        """See that the calls themselves can be told to the model again.

        Raises:
            RequestError: they cannot.
        """
        await self._excess()

    async def take(self, outcome: ToolOutcome) -> ToolResult:
        """What a call gave, as it is told to the model."""
        result = ToolResult(
            call=outcome.call,
            content=outcome.content,
            images=outcome.images,
            is_error=outcome.is_error,
            seconds=outcome.seconds,
        )
        if result.images and not self._may_see(result):
            result = _in_words(result)
        for attempt in (result, _in_words(result)):
            try:
                result = await self._fitting(attempt)
                break
            except RequestError as error:  # the model's template, or its image processor, does not take it
                result = _refused(result, f"the result cannot be shown to you: {error}")
        self.add(result)
        return result

    def add(self, result: ToolResult) -> None:
        """Take a result as it is."""
        self._taken[result.call.id] = result.message

    def _may_see(self, result: ToolResult) -> bool:
        stays = self._least() if self._options.window.overflow == "drop" else self._messages
        before = sum(len(message.images) for message in (*stays, *self._taken.values()))
        return self._chat.info.sees_results and before + len(result.images) <= self._chat.info.max_images

    def _least(self) -> list[Message]:
        """What stays of the conversation when all that may be dropped was."""
        parted = Parted(self._messages)
        return [self._messages[index] for index in parted.kept(parted.exchange_count - 1)]

    async def _fitting(self, result: ToolResult) -> ToolResult:
        excess = await self._excess(result)
        without = await self._excess() if excess > 0 else 0
        if excess <= 0 or without >= 0:  # where there is no room at all, no refusal makes any
            return result
        return _refused(
            result, f"the result has {excess - without:,} tokens, and there is room for {-without:,}: ask for less"
        )

    async def _excess(self, result: ToolResult | None = None) -> int:
        """Tokens by which the next prompt is too long with this result; none of it, or less, where it fits."""
        coming = [
            result.message if result is not None and message.tool_call_id == result.call.id else message
            for message in self.messages
        ]
        length = len(await self._chat.encode([*self._messages, *coming], self._options))
        if length > self._room and self._options.window.overflow == "drop":
            length = len(await self._chat.encode([*self._least(), *coming], self._options))
        return length - self._room


def _in_words(result: ToolResult) -> ToolResult:
    """A result whose pictures are told of only."""
    if not result.images or not result.is_seen:
        return result
    count = f"{len(result.images)} pictures" if len(result.images) > 1 else "1 picture"
    note = f"({count} came with this result. You cannot see pictures here; the user can.)"
    return replace(result, content=f"{result.content}\n{note}".lstrip("\n"), is_seen=False)


def _refused(result: ToolResult, why: str) -> ToolResult:
    return replace(result, content=f"Error: {why}", images=(), is_error=True)
