"""The chat seam: what every front programs against."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from duihua.checkpoint.adapters import Adapter
from duihua.engine.protocol import EngineInfo
from duihua.events import Event, WindowReport
from duihua.grammar import Grammar
from duihua.image import Image
from duihua.messages import Message
from duihua.prompt.window import WindowPolicy
from duihua.sampling import Sampling

__all__ = ["Burst", "ChatService", "Explanation", "ModelInfo", "NamedTool", "Part", "TurnOptions"]


Burst = list[Event]
"""The events that came at once: what an engine's one step, or several when the reader was late, made certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What is being talked to."""

    name: str
    title: str  # the family's, for people: "GLM-4"
    origin: str  # how the name was understood: "bundled", "directory", "huggingface", ...
    context_window: int  # tokens
    can_chat: bool  # False: a base model, for raw completion
    template_is_ours: bool  # the checkpoint ships no chat template
    defaults: Sampling  # what a caller who says nothing gets
    engine: EngineInfo
    max_images: int = 0  # pictures in one prompt at most; 0: it sees none
    sees_results: bool = False  # pictures that tools give, too
    engine_reason: str | None = None  # why it runs on this engine, where nobody named one; see `engine.choice`
    adapter: str | None = None  # the loaded adapter that was named as the model: turns that name none use it
    knows_tools: bool = False  # its template tells it of tools, and its calls can be read
    thinking_switch: str | None = None  # the template's variable that turns thinking on and off
    variables: frozenset[str] = frozenset()  # that the chat template reads, those of every turn included

    def adapter_of(self, asked: str | None) -> str | None:
        """The adapter of a turn whose `TurnOptions.adapter` is this; None: the base model."""
        return (self.adapter if asked is None else asked) or None


@dataclass(frozen=True, slots=True)
class NamedTool:
    """The tool that must be called."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOptions:
    """How a turn is prepared, apart from its messages and sampling.

    With `continue_final` the last message is an assistant's, without tool calls, and the model goes on inside it: the
    prompt ends with that message's content, as the template writes it, whatever `generation_prompt` says. The content
    stays plain text, a `<think>` in it too; white space at its end stays where the template would trim it. The events
    tell what is new only.
    """

    window: WindowPolicy = WindowPolicy()
    variables: Mapping[str, Any] | None = None  # the template's own, such as enable_thinking
    started: datetime | None = None  # when the conversation began; what a dated template reads
    cache_salt: str = ""  # conversations share cached prefixes only under the same salt
    priority: int = 0  # lower goes first
    adapter: str | None = None  # a loaded LoRA adapter; None: the one named as the model, if any; "": the base model
    generation_prompt: bool = True  # False: the prompt ends with the last message, and no answer is opened
    continue_final: bool = False  # the answer goes on with the last message
    tools: tuple[Mapping[str, Any], ...] = ()  # schemas in OpenAI's form: {"type": "function", "function": {...}}
    parallel_tool_calls: bool = True  # False: the answer ends with its first call
    tool_choice: str | NamedTool = "auto"  # "none": as if there were no tools; "required" or named: one call, surely
    form: Grammar | None = None  # what the answer is held to, once thinking has ended
    max_thinking_tokens: int | None = None  # after these the model must answer; None: no limit of its own


@dataclass(frozen=True, slots=True)
class Part:
    """One owner's share of a prompt."""

    owner: str  # "message 3", "tools", "template"
    role: str | None
    tokens: int  # as the model reads them, those of pictures included
    text: str  # a picture is its placeholder
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What the model would see."""

    parts: tuple[Part, ...]
    token_ids: tuple[int, ...]  # a picture is the few ids of its placeholder; `window` counts what the model reads
    text: str  # the rendered prompt, control tokens as their literals
    window: WindowReport


class ChatService(Protocol):
    """Messages in, events out."""

    @property
    def info(self) -> ModelInfo:
        """What is being talked to."""
        ...

    def stream(
        self, messages: Sequence[Message], sampling: Sampling = ..., options: TurnOptions = ...
    ) -> AsyncGenerator[Event]:
        """Answer a conversation.

        Closing the generator cancels the turn within one decoding step.

        Yields:
            `TurnStarted`, then deltas and calls, one `Finished` per choice, and `TurnFinished`.

        Raises:
            RequestError: before the first event.
            EngineError: before or between events.
        """
        ...

    def bursts(
        self, messages: Sequence[Message], sampling: Sampling = ..., options: TurnOptions = ...
    ) -> AsyncGenerator[Burst]:
        """The same events as `stream`, those that came at once together: for a reader that writes them at once."""
        ...

    def complete(self, text: str, sampling: Sampling = ..., options: TurnOptions = ...) -> AsyncGenerator[Event]:
        """Continue raw text, in which control literals are control tokens; events as in `stream`."""
        ...

    def explain(self, messages: Sequence[Message], sampling: Sampling = ..., options: TurnOptions = ...) -> Explanation:
        """What the model would see if `stream` were called so; raises as that does before its first event."""
        ...

    async def encode(self, messages: Sequence[Message], options: TurnOptions = ...) -> tuple[int, ...]:
        """The ids of the prompt that all these messages make, nothing dropped; raises as `stream` does.

        A picture is as many ids as it has tokens: its placeholder's, one of them over and over, as engines have it.
        """
        ...

    async def tokenize(self, text: str) -> tuple[int, ...]:
        """The ids of raw text, in which control literals are control tokens."""
        ...

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of these ids, control tokens as their literals."""
        ...

    def image_tokens(self, image: Image) -> int:
        """Tokens that the model reads for a picture; it is known from the picture's size.

        Raises:
            UnsupportedFeature: the model sees none.
            InvalidImage: its image processor does not take one of such a shape.
        """
        ...

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that a token stands for, as far as it stands for some alone; a control token's literal."""
        ...

    @property
    def adapters(self) -> Mapping[str, Adapter]:
        """The LoRA adapters that are loaded, by name."""
        ...

    async def load_adapter(self, name: str, path: Path) -> Adapter:
        """Load a LoRA adapter from its directory; a name that is taken gets the new one.

        Raises:
            AdapterRejected: it is broken, was made for another model, or the engine cannot run it; says which.
            InvalidParameter: a name that cannot be.
            EngineError: the engine failed.
        """
        ...

    async def unload_adapter(self, name: str) -> None:
        """Forget an adapter; turns that run with it go on.

        Raises:
            UnknownModel: no adapter has that name.
        """
        ...

    async def aclose(self) -> None:
        """Free the model. Safe to call twice."""
        ...
