"""A conversation in Python that keeps its own history."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from duihua.api.arguments import adapter_name, one_answer, sampling_of, whole_answer, with_form
from duihua.api.loop import Loop
from duihua.api.reply import Reply, ReplyFold
from duihua.api.said import PictureReader, Said, user_message
from duihua.chat.conversation import Conversation
from duihua.chat.protocol import TurnOptions
from duihua.events import Event
from duihua.image import Image
from duihua.messages import Message
from duihua.sampling import Sampling

__all__ = ["ModelConversation"]


class ModelConversation:
    """A conversation in plain Python; see `duihua.chat.conversation.Conversation` for its rules.

    What its tools have done stays in the history, whatever ended the turn. After one that ended early, `send(None)`
    has their results answered.
    """

    def __init__(self, conversation: Conversation, loop: Loop, read_image: PictureReader) -> None:
        self._conversation = conversation
        self._loop = loop
        self._read_image = read_image

    def send(self, text: Said | None, **sampling: Any) -> Reply:
        """Say something, pictures too (see `Model.chat`), and wait for the reply; sampling holds for this turn.

        Args:
            text: None where the history ends with results of calls: they are answered.
        """
        whole_answer(sampling_of(sampling))
        fold = ReplyFold()
        for event in self.stream(text, **sampling):
            fold.add(event)
        return fold.replies()[0]

    def stream(self, text: Said | None, **sampling: Any) -> Iterator[Event]:
        """Say something and watch the reply come; closing the iterator stops it and keeps what was said."""
        self._loop.check_open()
        goes_on = text is None and bool(self.history) and self.history[-1].role == "tool"
        said = None if goes_on else user_message(text, self._read_image).parts
        options = with_form(self._conversation.options, sampling)
        return self._loop.iterate(self._send(said, one_answer(sampling_of(sampling)), options))

    @property
    def history(self) -> tuple[Message, ...]:
        """What the model will see next, before the window cuts it."""
        return self._conversation.context

    @property
    def system(self) -> str | None:
        """The system prompt; may be set between turns."""
        return self._conversation.system

    @system.setter
    def system(self, value: str | None) -> None:
        self._conversation.system = value

    @property
    def adapter(self) -> str | None:
        """The LoRA adapter of the next turn, as `Model` understands it; may be set between turns."""
        return self._conversation.options.adapter

    @adapter.setter
    def adapter(self, value: str | None) -> None:
        self._conversation.options = replace(self._conversation.options, adapter=adapter_name(value))

    def clear(self) -> None:
        """Forget every turn; the system prompt and the tools stay."""
        self._conversation.clear()

    async def _send(
        self, said: Sequence[str | Image] | None, sampling: Sampling, options: TurnOptions
    ) -> AsyncGenerator[Event]:
        usual, usual_options = self._conversation.sampling, self._conversation.options
        self._conversation.sampling, self._conversation.options = sampling.over(usual), options
        try:
            async with aclosing(self._conversation.send(said)) as events:
                async for event in events:
                    yield event
        finally:
            started = self._conversation.options.started  # which the first turn settles for all
            self._conversation.sampling = usual
            self._conversation.options = replace(usual_options, started=started)
