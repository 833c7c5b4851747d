"""What streams: `Chunk` out of an engine, and the events of a turn out of `Chat.stream`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from duihua.image import Image
from duihua.messages import ImageAt, Message, SampledRun, ToolCall

__all__ = [
    "Chunk",
    "EngineFinish",
    "Event",
    "FinishReason",
    "Finished",
    "ReasoningDelta",
    "RoundFinished",
    "TextDelta",
    "TokenLogprobs",
    "ToolCallDelta",
    "ToolCallReady",
    "ToolResult",
    "TurnFinished",
    "TurnStarted",
    "Usage",
    "WindowReport",
]

EngineFinish = Literal["stop", "length"]
FinishReason = Literal["stop", "length", "tool_calls", "context_full"]
"""Why an answer ended: by itself, by a limit, with calls that nothing answered (the caller's to run, or those that the
tool loop may not run any more), or with calls whose results no longer fit the context window."""


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """Natural log-probability of one token under the model's raw distribution, and of its rivals."""

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()  # (id, log-probability), likeliest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """New tokens of one request. The last chunk, and only it, has a finish reason."""

    token_ids: tuple[int, ...] = ()  # a stop token that ended the answer is the last of them
    given: int = 0  # of these, the first so many that were put in and not sampled; no engine does that by itself
    logprobs: tuple[TokenLogprobs, ...] | None = None  # one per token, when asked for
    cached_tokens: int | None = None  # prompt tokens not computed anew; on the first chunk only
    prompt_logprobs: tuple[TokenLogprobs | None, ...] | None = None  # first chunk, when asked; [0] is None
    finish_reason: EngineFinish | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of a turn, counted by the engine."""

    prompt_tokens: int
    completion_tokens: int  # stop tokens included
    cached_tokens: int = 0  # of the prompt
    reasoning_tokens: int = 0  # of the completion

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowReport:
    """What the context window made of the messages; tokens everywhere."""

    context_window: int
    limit: int  # most a prompt may have: the window less the reserve
    reserve: int  # kept free for the answer
    prompt_tokens: int
    kept_exchanges: int
    dropped_exchanges: int = 0  # from the start of the conversation
    dropped_tokens: int = 0
    first_kept: int = 0  # index, in the caller's messages, of the first message of the first exchange kept
    max_tokens: int | None = None  # room given to the answer
    clamped_from: int | None = None  # the max_tokens asked for, where it was more than the room
    shortened_from: int | None = None  # tokens of the last user text before it was shortened

    @property
    def eventful(self) -> bool:
        """Whether anything happened that the asker should be told."""
        return bool(self.dropped_exchanges) or self.clamped_from is not None or self.shortened_from is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted:
    """The prompt was accepted and the first token is there; comes first, once."""

    prompt_tokens: int
    cached_tokens: int
    window: WindowReport
    token_ids: tuple[int, ...] = field(default=(), repr=False)  # the prompt's, as the model reads them
    prompt_logprobs: tuple[TokenLogprobs | None, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """More of an answer. Token ids and text correspond over the whole answer, not in each delta."""

    text: str
    choice: int = 0
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprobs, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    """More of the model's thinking."""

    text: str
    choice: int = 0
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprobs, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """More of a call that the model is writing. The first of a call has its id and name, and arguments may be empty.

    A call is one only when its `ToolCallReady` comes: without it, the answer was cut inside the call, or what came
    were no arguments; the text deltas that follow then tell what the model wrote instead.
    """

    index: int  # of the call in its answer
    arguments: str = ""  # more of the JSON text
    id: str | None = None
    name: str | None = None
    choice: int = 0
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprobs, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallReady:
    """A call is complete; its arguments are the JSON text of an object."""

    index: int
    call: ToolCall
    choice: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFinished:
    """An answer is complete whose calls the tool loop sees to: their results follow, and then the next answer."""

    message: Message  # the answer, for the history
    token_ids: tuple[int, ...] = ()  # as in `Finished`
    logprobs: tuple[TokenLogprobs, ...] = ()
    usage: Usage  # of this answer
    choice: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What became of a call in the tool loop."""

    call: ToolCall
    content: str  # what the model is told
    images: tuple[Image, ...] = ()
    is_seen: bool = True  # the model gets the pictures too
    is_error: bool = False  # the content says what went wrong
    seconds: float = 0.0  # that the tool ran
    choice: int = 0

    @property
    def message(self) -> Message:
        """The result as it goes back to the model."""
        images = tuple(ImageAt(len(self.content), image) for image in self.images) if self.is_seen else ()
        return Message("tool", self.content, tool_call_id=self.call.id, name=self.call.name, images=images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """One choice is complete; comes once per choice."""

    reason: FinishReason
    choice: int = 0
    stopped_by: str | int | None = None  # the stop string, or the id of the stop token
    token_ids: tuple[int, ...] = ()  # those that no delta carried (the stop token, held-back text)
    logprobs: tuple[TokenLogprobs, ...] = ()  # of those tokens, when asked for
    sampled: tuple[SampledRun, ...] = field(default=(), repr=False)  # for the message's `sampled`
    malformed_calls: int = 0  # what began like a call and was passed on as text
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFinished:
    """The turn is complete; comes last, once."""

    usage: Usage  # all choices together
    window: WindowReport


Event = (
    TurnStarted
    | TextDelta
    | ReasoningDelta
    | ToolCallDelta
    | ToolCallReady
    | RoundFinished
    | ToolResult
    | Finished
    | TurnFinished
)
