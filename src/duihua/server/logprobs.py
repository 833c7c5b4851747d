"""Log-probabilities as OpenAI's rows: one for each token that a choice's content is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from duihua.chat.protocol import ChatService
from duihua.events import (
    Finished,
    ReasoningDelta,
    RoundFinished,
    TextDelta,
    TokenLogprobs,
    ToolCallDelta,
    ToolCallReady,
)

__all__ = ["ContentTokens", "Told", "logprobs_of", "prompt_logprobs_of"]

Told = TextDelta | ReasoningDelta | ToolCallDelta | ToolCallReady | RoundFinished | Finished
"""The events of one choice."""


class ContentTokens:
    """Finds which tokens of a choice its content shows.

    An event carries the tokens since the last one, and text and tokens correspond over the whole answer only: a stop
    token, thinking, a line break that the template owes and a stop string are tokens that do not show, and what could
    still become a stop string shows later. So the content is parted among the tokens by their bytes. Where no token
    begins it (bytes that are no character, a tokenizer whose tokens read otherwise alone), they are told as they came.
    """

    def __init__(self, chat: ChatService) -> None:
        self._chat = chat
        self._text = b""  # shown, its tokens not told yet
        self._tokens: list[TokenLogprobs] = []  # come, neither told nor known to be hidden
        self._called: list[TokenLogprobs] = []  # of a call that may turn out to be none
        self._is_content = True

    def take(self, event: Told) -> list[TokenLogprobs]:
        """The tokens that this event makes known to be of the content."""
        if isinstance(event, ToolCallReady | RoundFinished):
            last = self._last()
            self._tokens, self._called, self._text = [], [], b""
            return last
        if isinstance(event, ToolCallDelta):
            self._called += event.logprobs
            return []
        self._tokens += (*self._called, *event.logprobs)
        self._called = []
        if isinstance(event, Finished):
            return self._last()
        if self._is_content is not (is_content := isinstance(event, TextDelta)):
            self._is_content, self._text = is_content, b""
        self._text += event.text.encode()
        found = self._found()
        return found if is_content else []

    def _found(self) -> list[TokenLogprobs]:
        found: list[TokenLogprobs] = []
        while self._text and self._tokens:
            place, covered = self._next()
            if place is None:
                found += self._tokens
                self._text, self._tokens = b"", []
            elif covered:
                found.append(self._tokens[place])
                self._text = self._text[covered:]
                del self._tokens[: place + 1]
            else:
                del self._tokens[:place]
                break
        return found

    def _next(self) -> tuple[int | None, int]:
        """The place of the token that the text goes on with, and how much of it is that token's; 0: more may come."""
        tokens = [self._chat.token_bytes(token.token_id) for token in self._tokens]
        for place, data in enumerate(tokens):
            if data and self._text.startswith(data):
                return place, len(data)
            if data.startswith(self._text):
                return place, 0
        for place, data in enumerate(tokens):  # its beginning may be hidden, as a line break that the template owes
            for covered in range(min(len(data), len(self._text)), 0, -1):
                if data.endswith(self._text[:covered]):
                    return place, covered
        return None, 0

    def _last(self) -> list[TokenLogprobs]:
        """The token in whose middle a stop string begins, where one does."""
        return self._tokens[:1] if self._is_content and self._text else []


def logprobs_of(tokens: Sequence[TokenLogprobs], chat: ChatService) -> dict[str, Any]:
    """OpenAI's log-probabilities of these tokens."""
    rows = [
        _token(token.token_id, token.logprob, chat) | {"top_logprobs": [_token(i, p, chat) for i, p in token.top]}
        for token in tokens
    ]
    return {"content": rows, "refusal": None}


def prompt_logprobs_of(row: TokenLogprobs | None, chat: ChatService) -> dict[str, Any] | None:
    """As vLLM writes them: id -> log-probability, rank and text."""
    if row is None:
        return None
    pairs = dict([(row.token_id, row.logprob), *row.top])
    ranks = {token_id: rank for rank, (token_id, _) in enumerate(row.top, 1)}  # of the others none is known
    return {
        str(i): {
            "logprob": max(p, -9999.0),
            "rank": ranks.get(i),
            "decoded_token": cast("str", _token(i, p, chat)["token"]),
        }
        for i, p in pairs.items()
    }


def _token(token_id: int, logprob: float, chat: ChatService) -> dict[str, Any]:
    data = chat.token_bytes(token_id)
    # JSON knows no infinity; OpenAI writes -9999 for what is next to impossible.
    return {"token": data.decode("utf-8", "replace"), "logprob": max(logprob, -9999.0), "bytes": list(data)}
