"""Every error Duihua raises on purpose.

    DuihuaError
      ConfigError              settings are wrong; raised before any weight is read; the command exits 2
      ModelError               this model cannot be talked to here; the command exits 3
        ModelNotFound            no such directory, alias or hub id
        ModelLoadFailed          broken files, or no memory while loading
        UnsupportedModel         an architecture, a format or a feature we do not run
        AdapterRejected          a LoRA adapter that does not fit this model or this engine
      RequestError             the caller can mend it
        InvalidMessages          roles, order or content that cannot be a conversation
        InvalidImage             a picture that is broken, of no known kind, or beyond a bound
        InvalidParameter         a value outside its range
        ContextOverflow          the prompt is longer than the model can take
        UnsupportedFeature       well formed, but this model or engine cannot do it
        UnknownModel             no model or adapter of that name is loaded
        ConversationBusy         a second turn while one is running
      EngineError              the caller cannot mend it
        EngineBusy               the queue is full; try again later
        GenerationFailed         this request is lost, the engine lives
        EngineDead               the engine must be started again
      ToolError                told to the model as the result of its call
        UnknownTool              the call names no tool that there is
        InvalidToolArguments     its arguments are no JSON, or not what the tool takes
        ToolDenied               it was not allowed to run
        ToolFailed               it ran and failed, or gave what cannot be passed on
        ToolTimedOut             it did not end in time

The branches say who can act. Data is in attributes; the message is one sentence with the cure when there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

__all__ = [
    "AdapterRejected",
    "ConfigError",
    "ContextOverflow",
    "ConversationBusy",
    "DuihuaError",
    "EngineBusy",
    "EngineDead",
    "EngineError",
    "GenerationFailed",
    "InvalidImage",
    "InvalidMessages",
    "InvalidParameter",
    "InvalidToolArguments",
    "ModelError",
    "ModelLoadFailed",
    "ModelNotFound",
    "RequestError",
    "ToolDenied",
    "ToolError",
    "ToolFailed",
    "ToolTimedOut",
    "UnknownModel",
    "UnknownTool",
    "UnsupportedFeature",
    "UnsupportedModel",
]


class DuihuaError(Exception):
    """Root of every error raised on purpose; its text is fit to show to a person."""


class ConfigError(DuihuaError):
    """Settings are wrong: a flag, a variable or a key of duihua.toml."""


class ModelError(DuihuaError):
    """This model cannot be talked to here."""


class ModelNotFound(ModelError):
    """No directory, alias, bundled name or hub id answers to this name."""


class ModelLoadFailed(ModelError):
    """The model's files are broken or incomplete, or memory ran out while loading."""


class UnsupportedModel(ModelError):
    """An architecture, file format or feature that is not run here."""


class AdapterRejected(ModelError):
    """A LoRA adapter that is broken, or does not fit this model or this engine."""


class RequestError(DuihuaError):
    """The caller asked for something that cannot be done as asked."""


class InvalidMessages(RequestError):
    """These messages are not a conversation: roles, order or content.

    Attributes:
        index: position of the offending message, where there is one.
    """

    def __init__(self, message: str, *, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


class InvalidImage(RequestError):
    """A picture that cannot be taken: broken, of no known kind, beyond a bound, or not to be had.

    Attributes:
        why: one word for programs, such as "bytes", "pixels", "truncated", "address"; see `duihua.vision`.
        name: what the picture was called, "" where it has no name.
    """

    def __init__(self, message: str, *, why: str, name: str = "") -> None:
        super().__init__(f"{name}: {message}" if name else message)
        self.why = why
        self.name = name


class InvalidParameter(RequestError):
    """A parameter has a value outside its range.

    Attributes:
        name: the parameter's name.
        value: what was given.
    """

    def __init__(self, name: str, value: object, expected: str) -> None:
        super().__init__(f"{name}={value!r} is not possible: {expected}")
        self.name = name
        self.value = value


class ContextOverflow(RequestError):
    """The prompt is longer than the model can take.

    Attributes:
        prompt_tokens: tokens of the prompt that was refused; at least so many where `is_least`.
        limit: tokens that a prompt may have here.
        context_window: tokens of prompt and answer together.
        parts: tokens of each part that cannot be dropped, by its name.
        is_least: the prompt is so long that it was not counted to its end.
    """

    def __init__(
        self,
        *,
        prompt_tokens: int,
        limit: int,
        context_window: int,
        parts: Mapping[str, int] = MappingProxyType({}),
        cure: str = "shorten it, or use a larger context window",
        is_least: bool = False,
    ) -> None:
        detail = "; ".join(f"{name}: {tokens:,}" for name, tokens in parts.items())
        counted = f"more than {prompt_tokens - 1:,}" if is_least else f"{prompt_tokens:,}"
        super().__init__(
            f"the prompt has {counted} tokens and at most {limit:,} fit "
            f"(context window {context_window:,}){f' [{detail}]' if detail else ''}: {cure}"
        )
        self.prompt_tokens = prompt_tokens
        self.limit = limit
        self.context_window = context_window
        self.parts = dict(parts)
        self.is_least = is_least


class UnsupportedFeature(RequestError):
    """Well formed, but this model or engine cannot do it.

    Attributes:
        feature: the name of what was asked for.
    """

    def __init__(self, feature: str, why: str) -> None:
        super().__init__(f"{feature} is not supported here: {why}")
        self.feature = feature


class UnknownModel(RequestError):
    """No model or adapter of that name is loaded."""


class ConversationBusy(RequestError):
    """A conversation runs one turn at a time, and one is running."""


class EngineError(DuihuaError):
    """The engine failed; the caller cannot mend it."""


class EngineBusy(EngineError):
    """The engine's queue is full.

    Attributes:
        retry_after_s: seconds after which trying again makes sense.
    """

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class GenerationFailed(EngineError):
    """This request is lost; the engine lives and takes the next one."""


class EngineDead(EngineError):
    """The engine has ended and answers nothing more; it must be started again.

    Attributes:
        is_final: nobody starts it again by themselves.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class ToolError(DuihuaError):
    """A tool's call came to nothing. The model is told, and may mend it; its text is written for the model."""


class UnknownTool(ToolError):
    """The call names no tool that there is.

    Attributes:
        name: the name it gave.
    """

    def __init__(self, name: str, known: Sequence[str]) -> None:
        listed = f"the tools are {', '.join(known)}" if known else "there are no tools"
        super().__init__(f"there is no tool {name!r}: {listed}")
        self.name = name


class InvalidToolArguments(ToolError):
    """The arguments of a call are no JSON object, or not what the tool takes.

    Attributes:
        problems: each thing that is wrong, in one sentence.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"the arguments are wrong: {'; '.join(problems)}")
        self.problems = tuple(problems)


class ToolDenied(ToolError):
    """The call was not allowed to run: by a person, or by a rule."""


class ToolFailed(ToolError):
    """The tool ran and failed, or gave what cannot be passed on."""


class ToolTimedOut(ToolError):
    """The tool did not end in time.

    Attributes:
        seconds: how long it was given.
    """

    def __init__(self, seconds: float, note: str = "") -> None:
        super().__init__(f"it did not end within {seconds:g} seconds{f': {note}' if note else ''}")
        self.seconds = seconds
