"""Events to OpenAI's chunks and replies. A chunk is bytes around its text: most tokens cost one concatenation."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import msgspec

from duihua.chat.protocol import Burst, ChatService, ModelInfo
from duihua.events import (
    Event,
    Finished,
    ReasoningDelta,
    RoundFinished,
    TextDelta,
    TokenLogprobs,
    ToolCallDelta,
    ToolCallReady,
    ToolResult,
    TurnFinished,
    TurnStarted,
    Usage,
    WindowReport,
)
from duihua.server.ask import Ask
from duihua.server.logprobs import ContentTokens, logprobs_of, prompt_logprobs_of

__all__ = ["PING", "ChunkWriter", "Whole", "fingerprint_of", "window_header"]

PING: Final = b": ping\n\n"
_encode: Final = msgspec.json.encode


def fingerprint_of(info: ModelInfo) -> str:
    """Names what makes answers: the same for the same model, engine, device and number format."""
    engine = info.engine
    text = f"{info.name} {engine.name} {engine.device} {engine.dtype} {engine.context_window}"
    return f"fp_{sha256(text.encode()).hexdigest()[:12]}"


def window_header(report: WindowReport) -> str:
    """What became of the conversation, for a header; empty where nothing did."""
    if not report.eventful:
        return ""
    said = {
        "dropped_exchanges": report.dropped_exchanges or None,
        "dropped_tokens": report.dropped_tokens or None,
        "clamped_from": report.clamped_from,
        "max_tokens": None if report.clamped_from is None else report.max_tokens,
        "shortened_from": report.shortened_from,
    }
    return "; ".join(f"{name}={value}" for name, value in said.items() if value is not None)


class ChunkWriter:
    """Writes one turn as a stream of chunks.

    Args:
        reply_id: of the whole stream.
        ask: what was asked.
        chat: for the texts of tokens.
    """

    def __init__(self, reply_id: str, ask: Ask, chat: ChatService) -> None:
        head = {
            "id": reply_id,
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": ask.model,
            "system_fingerprint": fingerprint_of(chat.info),
        }
        self._chat = chat
        self._ask = ask
        self._head = b"data: " + _encode(head)[:-1]
        self._tail = b',"usage":null}\n\n' if ask.wants_usage else b"}\n\n"
        self._is_plain = ask.sampling.logprobs is None and not ask.wants_ids
        self._tokens = [ContentTokens(chat) for _ in range(ask.sampling.n or 1)]
        self._texts = [self._text_prefix(choice) for choice in range(ask.sampling.n or 1)]
        self._text_tail = b'},"logprobs":null,"finish_reason":null}]' + self._tail
        self._report: WindowReport | None = None
        self._open = len(self._texts)  # choices that have not ended

    @property
    def is_complete(self) -> bool:
        """Whether every choice has ended."""
        return not self._open

    def burst(self, events: Burst) -> bytes:
        """The chunks of events that came at once."""
        if len(events) == 1 and self._is_plain and type(delta := events[0]) is TextDelta:
            return self._texts[delta.choice] + _encode(delta.text) + self._text_tail
        return b"".join([self._chunk(event) for event in _merged(events) if self._is_plain] or map(self._chunk, events))

    def _chunk(self, event: Event) -> bytes:
        match event:
            case TurnStarted():
                return self._opening(event)
            case TextDelta() if self._is_plain:
                return self._texts[event.choice] + _encode(event.text) + self._text_tail
            case TextDelta():
                return self._choice(event, {"content": event.text})
            case ReasoningDelta():
                return self._choice(event, {"reasoning_content": event.text, "reasoning": event.text})
            case Finished():
                return self._choice(event, {}, finish=event.reason)
            case TurnFinished():
                return self._closing(event)
            case ToolCallDelta() | ToolCallReady() | RoundFinished() | ToolResult():  # no request asks for calls
                return b""

    def _opening(self, event: TurnStarted) -> bytes:
        self._report = event.window
        chunks: list[bytes] = []
        for choice in range(self._ask.sampling.n or 1):
            row: dict[str, Any] = {"index": choice, "delta": {"role": "assistant", "content": ""}}
            more = {"prompt_token_ids": event.token_ids} if self._ask.wants_ids and choice == 0 else {}
            chunks.append(self._with({"choices": [row | {"logprobs": None, "finish_reason": None}], **more}))
        return b"".join(chunks)

    def _choice(
        self, event: TextDelta | ReasoningDelta | Finished, delta: dict[str, Any], *, finish: str | None = None
    ) -> bytes:
        row: dict[str, Any] = {"index": event.choice, "delta": delta}
        tokens = [] if self._ask.sampling.logprobs is None else self._tokens[event.choice].take(event)
        row["logprobs"] = logprobs_of(tokens, self._chat) if tokens else None
        row["finish_reason"] = finish
        if isinstance(event, Finished):
            row["stop_reason"] = _stop_reason(event, self._ask)
            self._open -= 1
        if self._ask.wants_ids:
            row["token_ids"] = event.token_ids
        # Without usage the last chunk is this one: a client that asked for none reads a choice out of every chunk.
        report = None if self._open or self._ask.wants_usage else self._report
        return self._with({"choices": [row], **(_extension(report) if report else {})})

    def _closing(self, event: TurnFinished) -> bytes:
        if not self._ask.wants_usage:
            return b""
        body = _encode({"choices": [], "usage": usage_of(event.usage), **_extension(event.window)})
        return self._head + b"," + body[1:] + b"\n\n"

    def _with(self, more: dict[str, Any]) -> bytes:
        return self._head + b"," + _encode(more)[1:-1] + self._tail

    def _text_prefix(self, choice: int) -> bytes:
        return self._head + f',"choices":[{{"index":{choice},"delta":{{"content":'.encode()


def _merged(events: Burst) -> list[Event]:
    """The same events; neighbouring texts of one choice as one."""
    merged: list[Event] = []
    for event in events:
        last = merged[-1] if merged else None
        if type(event) is TextDelta and type(last) is TextDelta and event.choice == last.choice:
            merged[-1] = TextDelta(text=last.text + event.text, choice=event.choice)
        else:
            merged.append(event)
    return merged


@dataclass(slots=True)
class _Choice:
    tokens: ContentTokens
    content: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])
    logprobs: list[TokenLogprobs] = field(default_factory=list[TokenLogprobs])
    token_ids: list[int] = field(default_factory=list[int])
    finished: Finished | None = None


class Whole:
    """Folds one turn into a whole reply; the same events as a stream, so the same text and the same usage."""

    def __init__(self, reply_id: str, ask: Ask, chat: ChatService) -> None:
        self._reply_id = reply_id
        self._created = int(time.time())
        self._ask = ask
        self._chat = chat
        self._choices = [_Choice(ContentTokens(chat)) for _ in range(ask.sampling.n or 1)]
        self._started: TurnStarted | None = None
        self._ended: TurnFinished | None = None

    def burst(self, events: Burst) -> None:
        """Take events in."""
        for event in events:
            match event:
                case TurnStarted():
                    self._started = event
                case TurnFinished():
                    self._ended = event
                case TextDelta() | ReasoningDelta() | Finished():
                    choice = self._choices[event.choice]
                    if self._ask.sampling.logprobs is not None:
                        choice.logprobs += choice.tokens.take(event)
                    choice.token_ids += event.token_ids
                    if isinstance(event, Finished):
                        choice.finished = event
                    else:
                        (choice.content if isinstance(event, TextDelta) else choice.reasoning).append(event.text)
                case ToolCallDelta() | ToolCallReady() | RoundFinished() | ToolResult():  # no request asks for calls
                    pass

    @property
    def report(self) -> WindowReport | None:
        """What the window did, once that is known."""
        return None if self._started is None else self._started.window

    def body(self) -> bytes:
        """The reply, as JSON; after the last event."""
        started, ended = self._started, self._ended
        assert started is not None and ended is not None  # noqa: S101, PT018  a turn has both
        reply: dict[str, Any] = {
            "id": self._reply_id,
            "object": "chat.completion",
            "created": self._created,
            "model": self._ask.model,
            "system_fingerprint": fingerprint_of(self._chat.info),
            "choices": [self._choice(index) for index in range(len(self._choices))],
            "usage": usage_of(ended.usage),
            **_extension(ended.window),
        }
        if self._ask.wants_ids:
            reply["prompt_token_ids"] = started.token_ids
        if started.prompt_logprobs is not None:
            reply["prompt_logprobs"] = [prompt_logprobs_of(row, self._chat) for row in started.prompt_logprobs]
        return _encode(reply)

    def _choice(self, index: int) -> dict[str, Any]:
        choice = self._choices[index]
        assert choice.finished is not None  # noqa: S101  a choice ends before its turn
        message: dict[str, Any] = {"role": "assistant", "content": "".join(choice.content), "refusal": None}
        if choice.reasoning:
            message["reasoning_content"] = message["reasoning"] = "".join(choice.reasoning)
        row: dict[str, Any] = {
            "index": index,
            "message": message,
            "logprobs": None if self._ask.sampling.logprobs is None else logprobs_of(choice.logprobs, self._chat),
            "finish_reason": choice.finished.reason,
            "stop_reason": _stop_reason(choice.finished, self._ask),
        }
        return row | {"token_ids": choice.token_ids} if self._ask.wants_ids else row


def _stop_reason(event: Finished, ask: Ask) -> str | int | None:
    """As vLLM tells it: what the request named, a stop string or a token's id; None at the model's own end."""
    own = isinstance(event.stopped_by, int) and event.stopped_by not in (ask.sampling.stop_token_ids or ())
    return None if own else event.stopped_by


def usage_of(usage: Usage) -> dict[str, Any]:
    """OpenAI's usage object."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _extension(report: WindowReport) -> dict[str, Any]:
    """The extension field of a reply, where there is something to tell."""
    if not report.eventful:
        return {}
    return {
        "duihua": {
            "window": {
                "kept_exchanges": report.kept_exchanges,
                "dropped_exchanges": report.dropped_exchanges,
                "dropped_tokens": report.dropped_tokens,
                "first_kept": report.first_kept,
                "prompt_tokens": report.prompt_tokens,
                "limit": report.limit,
                "context_window": report.context_window,
                "max_tokens": report.max_tokens,
                "clamped_from": report.clamped_from,
                "shortened_from": report.shortened_from,
            }
        }
    }
