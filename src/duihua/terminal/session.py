"""What a terminal conversation is made of, for the loop and the commands."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from duihua.chat.conversation import Conversation
from duihua.chat.protocol import ModelInfo
from duihua.errors import DuihuaError
from duihua.sampling import Sampling
from duihua.terminal.output import Output
from duihua.terminal.texts import Say

__all__ = ["Session"]


@dataclass(slots=True, kw_only=True)
class Session:
    """One conversation at the keyboard."""

    conversation: Conversation
    output: Output
    say: Say
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

    def tell(self, error: Exception) -> None:
        """Say what went wrong; the conversation goes on."""
        if isinstance(error, DuihuaError):
            self.output.note(self.say("error", message=str(error)), "error")
            return
        if self.is_debugging:
            traceback.print_exception(error)
        self.output.note(self.say("unexpected", message=f"{type(error).__name__}: {error}"), "error")
