"""One answer: an engine's chunks to events."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from duihua.chat.sampled import Sampled
from duihua.events import (
    Chunk,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    TokenLogprobs,
    ToolCallDelta,
    ToolCallReady,
    Usage,
)
from duihua.messages import ToolCall
from duihua.parsing.parts import CallArguments, CallBegun, CallEnded, Content, Part
from duihua.parsing.router import CallRouter, StreamRouter
from duihua.prompt.detokenizer import Detokenizer, Piece
from duihua.prompt.opening import Opening
from duihua.prompt.stops import StopStrings
from duihua.prompt.vocabulary import Vocabulary
from duihua.sampling import Sampling

__all__ = ["Answer"]


@dataclass(slots=True)
class _Pending:
    """What belongs to the next delta."""

    token_ids: list[int] = field(default_factory=list[int])
    logprobs: list[TokenLogprobs] = field(default_factory=list[TokenLogprobs])

    def take(self) -> tuple[tuple[int, ...], tuple[TokenLogprobs, ...]]:
        taken = tuple(self.token_ids), tuple(self.logprobs)
        self.token_ids.clear()
        self.logprobs.clear()
        return taken


class Answer:
    """Reads one choice: detokenises, looks for stop strings, tells thinking, answer and calls apart, counts.

    Args:
        opening: how the prompt ended.
        stop_ids: the tokens that end this answer; the one that does never shows.
        calls: finds calls, where the turn has tools.
    """

    def __init__(
        self,
        choice: int,
        sampling: Sampling,
        vocabulary: Vocabulary,
        opening: Opening,
        stop_ids: frozenset[int],
        calls: CallRouter | None = None,
    ) -> None:
        self.choice = choice
        self.is_finished = False
        self.logprob_sum = 0.0
        self.completion_tokens = 0
        self.reasoning_tokens = 0
        self.cached_tokens = 0
        self._stop_ids = stop_ids
        self._vocabulary = vocabulary
        self._opening = opening
        self._owed = opening.owed  # what the template itself writes before an answer; not part of it
        self._detokenizer = Detokenizer(
            vocabulary,
            skip_special_tokens=bool(sampling.skip_special_tokens),
            spaces_between_special_tokens=bool(sampling.spaces_between_special_tokens),
            begun=opening.begun,
        )
        self._stop_strings = tuple(sampling.stop or ())
        self._stops = StopStrings(self._stop_strings, include=bool(sampling.include_stop_str_in_output))
        self._min_tokens = sampling.min_tokens or 0
        self._wants_logprobs = sampling.logprobs is not None
        self._router = StreamRouter(
            opening.reasoning_open, opening.reasoning_close, opened=opening.is_reasoning, calls=calls
        )
        self._calls = calls
        self._call_id = ""
        self._has_calls = False
        self._has_ended = False
        self._is_given = False
        self._pending = _Pending()
        self._sampled = Sampled(opening, vocabulary, is_read=bool(sampling.skip_special_tokens))

    def push(self, chunk: Chunk) -> list[Event]:
        """The events this chunk makes; the last of an answer is its `Finished`."""
        if chunk.cached_tokens is not None:
            self.cached_tokens = chunk.cached_tokens
        events: list[Event] = []
        for index, token_id in enumerate(chunk.token_ids):
            self.completion_tokens += 1
            self._is_given = index < chunk.given
            if chunk.logprobs is not None:
                self.logprob_sum += chunk.logprobs[index].logprob
            stopped_by = self._take(token_id, chunk.logprobs[index] if chunk.logprobs else None, events)
            if stopped_by is not None or (self._calls is not None and self._router.is_over):
                self._end(events, is_whole=not isinstance(stopped_by, str))
                return [*events, self._finish("stop", stopped_by)]
        if chunk.finish_reason is not None:
            self._flush(events, is_whole=chunk.finish_reason == "stop")
            hit = self._stops.hit
            events.append(self._finish("stop" if hit else chunk.finish_reason, hit))
        return events

    def _take(self, token_id: int, logprobs: TokenLogprobs | None, events: list[Event]) -> str | int | None:
        """One token; what stopped the answer, if it did."""
        self._pending.token_ids.append(token_id)
        if logprobs is not None and self._wants_logprobs:
            self._pending.logprobs.append(logprobs)
        if token_id in self._stop_ids and self.completion_tokens > self._min_tokens:
            self._flush(events, is_whole=True)
            return self._stops.hit or token_id
        if self._router.channel == "reasoning":
            self.reasoning_tokens += 1
        text = self._detokenizer.read(token_id)
        if text is None:
            return self._take_control(token_id, events)
        self._sampled.add(token_id, text)
        if not text:
            return None
        if not self._owed and not self._stop_strings and self._router.is_plain:
            events.append(self._delta(text))  # most tokens, and the way below is long
            return None
        self._show(self._without_owed(text), events)
        return self._stops.hit

    def _take_control(self, token_id: int, events: list[Event]) -> str | None:
        pieces = self._detokenizer.push(token_id)
        self._sampled.add_control(token_id, "".join(piece.text for piece in pieces if piece.control is None))
        for piece in pieces:
            self._route(piece, events)
            if self._stops.hit is not None:
                return self._stops.hit
        return None

    def _route(self, piece: Piece, events: list[Event]) -> None:
        if piece.control is None:
            self._show(self._without_owed(piece.text), events)
            return
        self._owed = ""
        literal = self._vocabulary.control_ids[piece.control]
        if literal in self._stop_strings and not self._is_given:  # a stop string may be a control token's literal
            self._show(literal, events)
            return
        held = self._stops.flush()
        if held:
            self._emit(held, None, events)
        self._emit(piece.text, piece.control, events)

    def _show(self, text: str, events: list[Event]) -> None:
        if self._is_given:  # what the model did not say is no end of it
            text = self._stops.flush() + text
        elif self._stop_strings and self.completion_tokens > self._min_tokens:
            text = self._stops.push(text)
        self._emit(text, None, events)

    def _emit(self, text: str, control: int | None, events: list[Event]) -> None:
        events.extend(map(self._event, self._router.push(text, control)))

    def _event(self, part: Part) -> Event:
        if isinstance(part, Content):
            return self._delta(part.text)
        if isinstance(part, CallEnded):
            self._has_calls = True
            call = ToolCall(self._call_id, part.name, part.arguments)
            return ToolCallReady(index=part.number, call=call, choice=self.choice)
        if isinstance(part, CallBegun | CallArguments):
            return self._call_delta(part)
        return self._delta(part.text, is_thinking=True)

    def _call_delta(self, part: CallBegun | CallArguments) -> ToolCallDelta:
        is_new = isinstance(part, CallBegun)
        if is_new:
            self._call_id = f"call_{secrets.token_hex(12)}"
        token_ids, logprobs = self._pending.take()
        return ToolCallDelta(
            index=part.number,
            arguments="" if is_new else part.text,
            id=self._call_id if is_new else None,
            name=part.name if is_new else None,
            choice=self.choice,
            token_ids=token_ids,
            logprobs=logprobs,
        )

    def _delta(self, text: str, *, is_thinking: bool = False) -> TextDelta | ReasoningDelta:
        token_ids, logprobs = self._pending.take()
        kind = ReasoningDelta if is_thinking else TextDelta
        return kind(text=text, choice=self.choice, token_ids=token_ids, logprobs=logprobs)

    def _without_owed(self, text: str) -> str:
        """The text less what the template will write again before this answer."""
        if not self._owed:
            return text
        if text.startswith(self._owed):
            text, self._owed = text[len(self._owed) :], ""
        elif self._owed.startswith(text):
            text, self._owed = "", self._owed[len(text) :]
        else:
            self._owed = ""
        return text

    def _flush(self, events: list[Event], *, is_whole: bool) -> None:
        for piece in self._detokenizer.flush():
            self._sampled.add_held(piece.text)
            self._route(piece, events)
        if self._stops.hit is None:
            self._emit(self._stops.flush(), None, events)
        self._end(events, is_whole=is_whole and self._stops.hit is None)

    def _end(self, events: list[Event], *, is_whole: bool) -> None:
        """Nothing follows: what was held as a call, or as the beginning of one, is told."""
        if not self._has_ended:
            self._has_ended = True
            events.extend(map(self._event, self._router.end(is_whole=is_whole)))

    def _finish(self, reason: FinishReason, stopped_by: str | int | None) -> Finished:
        self.is_finished = True
        token_ids, logprobs = self._pending.take()
        return Finished(
            reason="tool_calls" if self._has_calls and reason == "stop" else reason,
            choice=self.choice,
            stopped_by=stopped_by,
            token_ids=token_ids,
            logprobs=logprobs,
            sampled=() if isinstance(stopped_by, str) else self._sampled.runs(),
            malformed_calls=self._router.malformed,
            usage=Usage(
                prompt_tokens=self._opening.prompt_tokens,
                completion_tokens=self.completion_tokens,
                cached_tokens=self.cached_tokens,
                reasoning_tokens=self.reasoning_tokens,
            ),
        )
