"""Events to OpenAI's chunks. A chunk is bytes around its text: most tokens cost one concatenation."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec

from duihua.chat.protocol import Burst, ChatService
from duihua.events import (
    Event,
    Finished,
    ReasoningDelta,
    RoundFinished,
    TextDelta,
    ToolCallDelta,
    ToolCallReady,
    ToolResult,
    TurnFinished,
    TurnStarted,
    WindowReport,
)
from duihua.server.ask import Ask
from duihua.server.calls import CallRows
from duihua.server.logprobs import ContentTokens, Told, logprobs_of
from duihua.server.reply import Joint, extension_of, fingerprint_of, finish_of, stop_reason, usage_of
from duihua.server.tools import told_of

__all__ = ["PING", "ChunkWriter"]

PING: Final = b": ping\n\n"
_encode: Final = msgspec.json.encode


class _Choice:
    """What a stream knows of one choice."""

    def __init__(self, chat: ChatService, ask: Ask) -> None:
        self.tokens = ContentTokens(chat)
        self.calls = CallRows(is_sure=ask.must_call)
        self.is_silent = True  # no text and no call was told
        self.has_calls = False
        self.held_ids: list[int] = []  # of what is not told yet
        self.joint = Joint()


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
        self._choices = [_Choice(chat, ask) for _ in range(ask.sampling.n or 1)]
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
        if len(events) == 1 and self._is_plain and type(delta := events[0]) is TextDelta and not self._ask.runs:
            return self._text(delta)
        return b"".join([self._chunk(event) for event in _merged(events) if self._is_plain] or map(self._chunk, events))

    def _chunk(self, event: Event) -> bytes:
        match event:
            case TurnStarted():
                return self._opening(event)
            case TextDelta() if self._is_plain and not self._ask.runs:
                return self._text(event)
            case TextDelta():
                choice = self._choices[event.choice]
                choice.is_silent = False
                return self._choice(event, {"content": choice.joint.before_text() + event.text})
            case ReasoningDelta():
                return self._thought(event)
            case ToolCallDelta() | ToolCallReady():
                return self._called(event)
            case Finished():
                return self._ended(event)
            case TurnFinished():
                return self._closing(event)
            case RoundFinished():
                self._choices[event.choice].joint.close_round()
                return self._held(event)
            case ToolResult():
                row = {"index": event.choice, "delta": {}, "logprobs": None, "finish_reason": None}
                return self._with({"choices": [row], **extension_of(None, tool_result=told_of(event))})

    def _text(self, event: TextDelta) -> bytes:
        self._choices[event.choice].is_silent = False
        return self._texts[event.choice] + _encode(event.text) + self._text_tail

    def _opening(self, event: TurnStarted) -> bytes:
        self._report = event.window
        content = None if self._ask.has_tools else ""  # an answer that only calls has none
        chunks: list[bytes] = []
        for choice in range(self._ask.sampling.n or 1):
            row: dict[str, Any] = {"index": choice, "delta": {"role": "assistant", "content": content}}
            more = {"prompt_token_ids": event.token_ids} if self._ask.wants_ids and choice == 0 else {}
            chunks.append(self._with({"choices": [row | {"logprobs": None, "finish_reason": None}], **more}))
        return b"".join(chunks)

    def _thought(self, event: ReasoningDelta) -> bytes:
        if self._ask.shows_thinking:
            return self._choice(event, {"reasoning_content": event.text, "reasoning": event.text})
        return self._held(event)

    def _called(self, event: ToolCallDelta | ToolCallReady) -> bytes:
        choice = self._choices[event.choice]
        rows = [] if self._ask.runs else choice.calls.take(event)  # calls that are run here are told as results
        if not rows:
            return self._held(event)
        choice.is_silent, choice.has_calls = False, True
        return self._choice(event, {"tool_calls": rows})

    def _held(self, event: Told) -> bytes:
        """Tell nothing of it yet; its tokens are told with what comes next."""
        choice = self._choices[event.choice]
        if self._ask.sampling.logprobs is not None:
            choice.tokens.take(event)
        if not isinstance(event, ToolCallReady):
            choice.held_ids += event.token_ids
        return b""

    def _ended(self, event: Finished) -> bytes:
        choice = self._choices[event.choice]
        self._open -= 1
        delta = {"content": ""} if choice.is_silent and self._ask.has_tools else {}
        return self._choice(event, delta, finish=event)

    def _choice(self, event: Told, delta: dict[str, Any], *, finish: Finished | None = None) -> bytes:
        choice, row = self._choices[event.choice], dict[str, Any](index=event.choice, delta=delta)
        tokens = [] if self._ask.sampling.logprobs is None else choice.tokens.take(event)
        row["logprobs"] = logprobs_of(tokens, self._chat) if tokens else None
        row["finish_reason"] = None if finish is None else finish_of(finish, has_calls=choice.has_calls)
        if finish is not None:
            row["stop_reason"] = stop_reason(finish, self._ask, has_calls=choice.has_calls)
        if self._ask.wants_ids:
            row["token_ids"] = [*choice.held_ids, *(() if isinstance(event, ToolCallReady) else event.token_ids)]
            choice.held_ids = []
        # Without usage the last chunk is this one: a client that asked for none reads a choice out of every chunk.
        report = None if self._open or self._ask.wants_usage else self._report
        return self._with({"choices": [row], **extension_of(report)})

    def _closing(self, event: TurnFinished) -> bytes:
        if not self._ask.wants_usage:
            return b""
        body = _encode({"choices": [], "usage": usage_of(event.usage), **extension_of(event.window)})
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
