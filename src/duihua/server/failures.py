"""One table of errors: what each is as an HTTP status and as OpenAI's error object."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import msgspec

from duihua.errors import (
    AdapterRejected,
    ContextOverflow,
    ConversationBusy,
    DuihuaError,
    EngineBusy,
    EngineDead,
    GenerationFailed,
    InvalidImage,
    InvalidMessages,
    InvalidParameter,
    ModelError,
    RequestError,
    UnknownModel,
    UnsupportedFeature,
)
from duihua.prompt.window import WindowPolicy

__all__ = ["Failure", "Refusal", "engine_ended", "failure_of"]

_CALLER: Final = "invalid_request_error"
_OURS: Final = "server_error"
_LONGEST: Final = 1000  # characters of a message: it may say a caller's text again


class Refusal(DuihuaError):
    """The server does not take this request; the error says what to do.

    Attributes:
        status: HTTP's.
        code: of the error object.
        param: the field or header it is about.
        headers: of the reply.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.headers = headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error as it is told over HTTP."""

    status: int
    message: str
    type: str = _CALLER
    param: str | None = None
    code: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])  # further fields of the error object

    @property
    def body(self) -> bytes:
        """OpenAI's error object, as JSON."""
        param = None if self.param is None else _short(self.param)
        error = {"message": _short(self.message), "type": self.type, "param": param, "code": self.code, **self.more}
        return msgspec.json.encode({"error": error})


# Class of error -> (status, type, code); the first that fits.
_TABLE: Final[tuple[tuple[type[DuihuaError], int, str, str], ...]] = (
    (InvalidParameter, 400, _CALLER, "invalid_value"),
    (InvalidMessages, 400, _CALLER, "invalid_messages"),
    (InvalidImage, 400, _CALLER, "invalid_image"),
    (UnsupportedFeature, 400, _CALLER, "unsupported_feature"),
    (UnknownModel, 404, _CALLER, "model_not_found"),
    (ConversationBusy, 409, _CALLER, "conversation_busy"),
    (RequestError, 400, _CALLER, "invalid_request"),
    (AdapterRejected, 400, _CALLER, "adapter_rejected"),
    (EngineBusy, 429, "rate_limit_error", "engine_busy"),
    (EngineDead, 503, _OURS, "engine_dead"),
    (GenerationFailed, 500, _OURS, "generation_failed"),
    (ModelError, 400, _CALLER, "model_error"),
)
_FOLDERS: Final = re.compile(r"(?<![\w.~/\\])(?:~|[A-Za-z]:)?(?:[/\\][^\s/\\:'\",;()]+)*[/\\](?=[^\s/\\])")
_HIDDEN: Final = {  # what these say may name a path or a library's words
    EngineDead: "the engine has stopped and is being started again: try again in a few seconds",
    GenerationFailed: "this answer was lost in the engine: ask again",
}


def engine_ended() -> Refusal:
    """What is told once the engine is given up."""
    return Refusal(503, "engine_dead", "the engine has ended and is not started again: restart this server")


def failure_of(error: BaseException, policy: WindowPolicy | None = None) -> Failure:
    """How this error is told; of what nobody raised on purpose nothing is.

    Args:
        policy: of the conversation that was refused, so that nothing is advised that was done already.
    """
    if isinstance(error, EngineDead) and error.is_final:
        error = engine_ended()
    if isinstance(error, Refusal):
        kind = _CALLER if error.status < 500 else _OURS
        headers = tuple(error.headers.items())
        return Failure(
            status=error.status, message=str(error), type=kind, param=error.param, code=error.code, headers=headers
        )
    if isinstance(error, TimeoutError):
        return Failure(
            status=504,
            message="the answer took longer than this server allows: ask for fewer tokens",
            type=_OURS,
            code="deadline_exceeded",
        )
    if isinstance(error, ContextOverflow):
        return _overflow(error, policy)
    for kind, status, type_, code in _TABLE:
        if isinstance(error, kind):
            return Failure(
                status=status,
                message=_message(error),
                type=type_,
                param=_param(error),
                code=code,
                headers=_retry(error, status),
                more={"why": error.why} if isinstance(error, InvalidImage) else {},
            )
    return Failure(
        status=500, message="something went wrong in the server: its log tells what", type=_OURS, code="internal_error"
    )


def _short(text: str) -> str:
    """The text, its middle left out where it is long: both ends say what to do."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"


def _message(error: DuihuaError) -> str:
    hidden = next((text for kind, text in _HIDDEN.items() if isinstance(error, kind)), None)
    if hidden is not None:
        return hidden
    return _FOLDERS.sub("", str(error)) if isinstance(error, ModelError) else str(error)


def _param(error: DuihuaError) -> str | None:
    if isinstance(error, InvalidParameter):
        return error.name
    if isinstance(error, UnsupportedFeature):
        return error.feature
    if isinstance(error, UnknownModel):
        return "model"
    if isinstance(error, InvalidImage):
        return error.name or "messages"
    if isinstance(error, InvalidMessages):
        return "messages" if error.index is None else f"messages[{error.index}]"
    return None


def _retry(error: DuihuaError, status: int) -> tuple[tuple[str, str], ...]:
    if isinstance(error, EngineBusy):
        return (("retry-after", str(max(1, round(error.retry_after_s)))),)
    return (("retry-after", "5"),) if status == 503 else ()


def _overflow(error: ContextOverflow, policy: WindowPolicy | None) -> Failure:
    """The numbers, and what of this request can be changed. Clients look for the first sentence."""
    counted = f"more than {error.prompt_tokens - 1}" if error.is_least else error.prompt_tokens
    is_bound_by_caller = policy is not None and policy.max_prompt_tokens == error.limit
    cures = _cures(error, policy) if policy is not None else []
    return Failure(
        status=400,
        message=f"This model's maximum context length is {error.context_window} tokens. However, your prompt has "
        f"{counted} tokens, of which at most {error.limit} fit here. Please {'; '.join(['shorten it', *cures])}.",
        param="truncate_prompt_tokens" if is_bound_by_caller else "messages",
        code="context_length_exceeded",
        more={
            "prompt_tokens_at_least" if error.is_least else "prompt_tokens": error.prompt_tokens,
            "limit": error.limit,
            "context_window": error.context_window,
        },
    )


def _cures(error: ContextOverflow, policy: WindowPolicy) -> Iterator[str]:
    if policy.overflow == "error" and (not error.parts or "earlier turns" in error.parts):
        yield 'where earlier turns may go, "duihua": {"window": "drop"} drops them, oldest first'
    if policy.overlong is None and (not error.parts or "last turn" in error.parts):
        yield '"duihua": {"overlong": "middle"} shortens the last message where it alone is too long'
    if policy.max_prompt_tokens == error.limit:
        yield "a larger truncate_prompt_tokens lets more in"
