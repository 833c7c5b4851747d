"""What a terminal conversation is made of, for the loop and the commands."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field

from duihua.chat.conversation import Conversation
from duihua.chat.protocol import ModelInfo
from duihua.errors import DuihuaError
from duihua.image import Image
from duihua.messages import Message
from duihua.sampling import Sampling
from duihua.terminal.consent import Consent
from duihua.terminal.output import Output
from duihua.terminal.pictures import Fetches, picture_line
from duihua.terminal.settings import Graphics
from duihua.terminal.texts import Say
from duihua.tools.settings import ToolSettings

__all__ = ["Session"]


@dataclass(slots=True, kw_only=True)
class Session:
    """One conversation at the keyboard.

    Attributes:
        pictures: staged for the next message.
        graphics: how a preview of them is drawn; None: not at all.
        fetcher: gets pictures from the web; None: the usual one.
        rules: whether tools may run.
        consent: what asks about tools; None: nothing does.
        shows_thinking: whether the model's thinking is shown as it comes.
    """

    conversation: Conversation
    output: Output
    say: Say
    pictures: list[Image] = field(default_factory=list[Image])
    graphics: Graphics | None = None
    fetcher: Fetches | None = None
    rules: ToolSettings = field(default_factory=ToolSettings)
    consent: Consent | None = None
    shows_thinking: bool = True
    is_leaving: bool = False
    is_debugging: bool = False  # show the traceback of an error nobody raised on purpose

    @property
    def info(self) -> ModelInfo:
        """The model that is talked to."""
        return self.conversation.chat.info

    @property
    def sampling(self) -> Sampling:
        """What the next turn is sampled with: what was set, over the model's own."""
        return self.conversation.sampling.over(self.info.defaults)

    @property
    def adapter(self) -> str | None:
        """The LoRA adapter that the next turn is answered with; None: the base model."""
        return self.info.adapter_of(self.conversation.options.adapter)

    def message(self, text: str) -> Message:
        """What a text says together with the pictures that are staged, which stand before it; they stay staged."""
        return Message.of("user", [*self.pictures, text])

    def picture_lines(self) -> list[str]:
        """Each picture that is staged in a few words."""
        count = self.conversation.chat.image_tokens
        return [picture_line(self.say, image, count(image)) for image in self.pictures]

    async def draw(self, image: Image) -> None:
        """Show a small preview of a picture, where the terminal draws them."""
        if self.graphics is not None:
            from duihua.terminal.preview import preview

            self.output.draw(await asyncio.to_thread(preview, image, self.graphics))

    def stage(self, images: Sequence[Image]) -> None:
        """Have these pictures, and no others, go with the next message."""
        self.pictures[:] = images

    def tell(self, error: Exception) -> None:
        """Say what went wrong; the conversation goes on."""
        if isinstance(error, DuihuaError):
            self.output.note(self.say("error", message=str(error)), "error")
            return
        if self.is_debugging:
            traceback.print_exception(error)
        self.output.note(self.say("unexpected", message=f"{type(error).__name__}: {error}"), "error")
