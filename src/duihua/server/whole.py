"""One turn as a whole reply."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from duihua.chat.protocol import Burst, ChatService
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
    WindowReport,
)
from duihua.server.ask import Ask
from duihua.server.calls import CallRows, gathered
from duihua.server.logprobs import ContentTokens, Told, logprobs_of, prompt_logprobs_of
from duihua.server.reply import Joint, extension_of, fingerprint_of, finish_of, stop_reason, usage_of
from duihua.server.tools import told_of

__all__ = ["Whole"]

_encode: Final = msgspec.json.encode


@dataclass(slots=True)
class _Choice:
    tokens: ContentTokens
    rows: CallRows
    content: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    logprobs: list[TokenLogprobs] = field(default_factory=list[TokenLogprobs])
    token_ids: list[int] = field(default_factory=list[int])
    finished: Finished | None = None
    joint: Joint = field(default_factory=Joint)


class Whole:
    """Folds one turn into a whole reply; the same events as a stream, so the same text and the same usage."""

    def __init__(self, reply_id: str, ask: Ask, chat: ChatService) -> None:
        self._reply_id = reply_id
        self._created = int(time.time())
        self._ask = ask
        self._chat = chat
        self._choices = [
            _Choice(ContentTokens(chat), CallRows(is_sure=ask.must_call)) for _ in range(ask.sampling.n or 1)
        ]
        self._results: list[dict[str, Any]] = []
        self._started: TurnStarted | None = None
        self._ended: TurnFinished | None = None

    def burst(self, events: Burst) -> None:
        """Take events in."""
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case TurnStarted():
                self._started = event
            case TurnFinished():
                self._ended = event
            case ToolResult():
                self._results.append(told_of(event))
            case _:
                self._add(event, self._choices[event.choice])

    def _add(self, event: Told, choice: _Choice) -> None:
        if self._ask.sampling.logprobs is not None:
            choice.logprobs += choice.tokens.take(event)
        if not isinstance(event, ToolCallReady):
            choice.token_ids += event.token_ids
        match event:
            case TextDelta():
                choice.content += (choice.joint.before_text(), event.text)
            case ReasoningDelta():
                choice.reasoning.append(event.text)
            case Finished():
                choice.finished = event
            case ToolCallDelta() | ToolCallReady():
                if not self._ask.runs:
                    gathered(choice.calls, choice.rows.take(event))
            case RoundFinished():
                choice.joint.close_round()

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
            **extension_of(ended.window, tool_results=self._results),
        }
        if self._ask.wants_ids:
            reply["prompt_token_ids"] = started.token_ids
        if started.prompt_logprobs is not None:
            reply["prompt_logprobs"] = [prompt_logprobs_of(row, self._chat) for row in started.prompt_logprobs]
        return _encode(reply)

    def _choice(self, index: int) -> dict[str, Any]:
        choice = self._choices[index]
        finished, has_calls = choice.finished, bool(choice.calls)
        assert finished is not None  # noqa: S101  a choice ends before its turn
        row: dict[str, Any] = {
            "index": index,
            "message": self._message(choice),
            "logprobs": None if self._ask.sampling.logprobs is None else logprobs_of(choice.logprobs, self._chat),
            "finish_reason": finish_of(finished, has_calls=has_calls),
            "stop_reason": stop_reason(finished, self._ask, has_calls=has_calls),
        }
        return row | {"token_ids": choice.token_ids} if self._ask.wants_ids else row

    def _message(self, choice: _Choice) -> dict[str, Any]:
        text = "".join(choice.content)
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if choice.calls:
            message |= {"content": text or None, "tool_calls": choice.calls}
        if choice.reasoning and self._ask.shows_thinking:
            message["reasoning_content"] = message["reasoning"] = "".join(choice.reasoning)
        return message
