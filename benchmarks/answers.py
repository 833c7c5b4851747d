"""What came back from a chat-completions server, taken apart after it came: bytes and their times in, an answer out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Answer", "BadAnswer", "Piece", "read_answer"]

Piece = tuple[float, bytes]  # when it came (time.perf_counter, which all processes share), and what

_HEAD_END: Final = b"\r\n\r\n"
_LAST_EVENT: Final = b"data: [DONE]"


class BadAnswer(Exception):
    """The answer is an error, or not what the OpenAI API says it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, and when its parts came."""

    started: float  # before the connection was opened
    arrivals: tuple[float, ...]  # of each event that brought text, or of the end where none did
    ended: float
    text: str
    prompt_tokens: int
    tokens: int


def read_answer(started: float, pieces: Sequence[Piece]) -> Answer:
    """Take one response apart.

    Raises:
        BadAnswer: another status than 200, an error in the stream, no end, no usage.
    """
    raw = b"".join(data for _, data in pieces)
    head, separator, _ = raw.partition(_HEAD_END)
    first_line = head.partition(b"\r\n")[0]
    if not separator or b" 200 " not in first_line + b" ":
        raise BadAnswer(raw[:2000].decode("utf-8", "replace") or "the connection ended before a byte came")
    lines = head.lower().split(b"\r\n")
    parts = list(_body(pieces, len(head) + len(_HEAD_END), chunked=b"transfer-encoding: chunked" in lines))
    if any(line.startswith(b"content-type: text/event-stream") for line in lines):
        return _streamed(started, parts)
    return _whole(started, parts)


def _body(pieces: Sequence[Piece], skipped: int, *, chunked: bool) -> Iterator[Piece]:
    """The body as it came, the HTTP around it left out."""
    rest, needed = b"", 0  # of a chunk's frame or content; bytes of content still to come
    for when, data in pieces:
        if skipped >= len(data):
            skipped -= len(data)
            continue
        rest, skipped = rest + data[skipped:], 0
        if not chunked:
            yield when, rest
            rest = b""
            continue
        while rest:
            if needed:
                part, rest = rest[:needed], rest[needed:]
                needed -= len(part)
                yield when, part
            else:
                size, found, after = rest.lstrip(b"\r\n").partition(b"\r\n")
                if not found:
                    break
                needed, rest = int(size.partition(b";")[0], 16), after


def _streamed(started: float, parts: Sequence[Piece]) -> Answer:
    arrivals: list[float] = []
    texts: list[str] = []
    usage: dict[str, Any] | None = None
    for when, event in _events(parts):
        said: dict[str, Any] = json.loads(event)
        if "error" in said:
            raise BadAnswer(event.decode("utf-8", "replace"))
        usage = said.get("usage") or usage
        if text := "".join(_text(choice["delta"]) for choice in said["choices"]):
            arrivals.append(when)
            texts.append(text)
    return _answer(started, arrivals, parts[-1][0], "".join(texts), usage)


def _events(parts: Sequence[Piece]) -> Iterator[Piece]:
    """The data of each event with the time of its last byte."""
    rest = b""
    for when, data in parts:
        *events, rest = (rest + data).split(b"\n\n")
        for event in events:
            if event == _LAST_EVENT:
                return
            if event.startswith(b"data: "):  # else a comment, which keeps the connection open
                yield when, event.removeprefix(b"data: ")
    raise BadAnswer(f"the stream ended without {_LAST_EVENT.decode()}: {rest[-500:]!r}")


def _whole(started: float, parts: Sequence[Piece]) -> Answer:
    said: dict[str, Any] = json.loads(b"".join(data for _, data in parts))
    ended = parts[-1][0]
    return _answer(started, [ended], ended, _text(said["choices"][0]["message"]), said.get("usage"))


def _text(message: dict[str, Any]) -> str:
    """Thinking and answer alike: both are tokens that the reader sees come."""
    return (message.get("reasoning") or message.get("reasoning_content") or "") + (message.get("content") or "")


def _answer(started: float, arrivals: list[float], ended: float, text: str, usage: dict[str, Any] | None) -> Answer:
    if usage is None:
        raise BadAnswer(f"no usage, after {text!r}")
    return Answer(
        started=started,
        arrivals=tuple(arrivals) or (ended,),
        ended=ended,
        text=text,
        prompt_tokens=usage["prompt_tokens"],
        tokens=usage["completion_tokens"],
    )
