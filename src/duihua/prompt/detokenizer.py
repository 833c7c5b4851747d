"""Token ids to text, one at a time, never half a character.

What comes out, put together, is what the tokenizer's own decoder makes of all ids of the answer at once. The
prompt plays no part in it: a tokenizer that strips the space before the first word strips it from the first
word of the answer. It does not where the answer goes on with a text that the prompt began (`begun`).

Two things differ on purpose, both for ids that no text encodes to. A control token ends a character that was
begun before it, even where the token is not shown. And a broken run of byte-fallback tokens becomes U+FFFD
only where it is broken, as in byte-level tokenizers; the tokenizer's own decoder gives up the whole run, even
the characters in it that were shown long ago.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from duihua.prompt.vocabulary import Vocabulary

__all__ = ["Detokenizer", "Piece"]

_MOST_HELD: Final = 8  # tokens held in the hope that they end a character
_new_utf8_decoder: Final = codecs.getincrementaldecoder("utf-8")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an answer: ordinary text, or one control token."""

    text: str  # "" for a control token that is not shown
    control: int | None = None  # the control token's id


class Detokenizer:
    """Turns the ids of one answer into text.

    Args:
        vocabulary: of the model that samples the ids.
        skip_special_tokens: whether special tokens are left out of the text. Other control tokens
            (`<think>`) are always in it.
        spaces_between_special_tokens: whether a space parts two special tokens that follow each other and
            are shown.
        begun: the last id of a text that the answer goes on with; without one the answer is a text of its own.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        skip_special_tokens: bool,
        spaces_between_special_tokens: bool,
        begun: Sequence[int] = (),
    ) -> None:
        special = vocabulary.special_ids
        self._control_ids = vocabulary.control_ids
        self._hidden = special if skip_special_tokens else frozenset[int]()
        self._spaced = special - self._hidden if spaces_between_special_tokens else frozenset[int]()
        self._reader: _Reader = _ByteReader(vocabulary) if vocabulary.is_byte_level else _Redecoder(vocabulary, begun)
        self._wants_space = False

    def push(self, token_id: int) -> tuple[Piece, ...]:
        """What one more id makes certain: nothing while a character is incomplete.

        An id that is no token (a hole of the vocabulary, a padding row of the model) gives nothing.
        """
        text = self.read(token_id)
        if text is None:
            return self._push_control(token_id)
        return (Piece(text),) if text else ()

    def read(self, token_id: int) -> str | None:
        """What `push` gives for an id that is no control token; None for one that is, which only `push` reads."""
        if token_id in self._control_ids:
            return None
        text = self._reader.read(token_id)
        if text:
            self._wants_space = False
        return text

    def flush(self) -> tuple[Piece, ...]:
        """What was held at the end of the answer: an incomplete character, as U+FFFD."""
        text = self._reader.flush()
        return (Piece(text),) if text else ()

    def _push_control(self, token_id: int) -> tuple[Piece, ...]:
        held = self.flush()
        if token_id in self._hidden:
            return *held, Piece("", token_id)
        self._reader.pass_by(token_id)
        piece = Piece(self._control_ids[token_id], token_id)
        parted = self._wants_space and not held and token_id in self._spaced
        self._wants_space = token_id in self._spaced
        return (Piece(" "), piece) if parted else (*held, piece)


class _Reader(Protocol):
    """Reads ordinary tokens and holds what is incomplete."""

    def read(self, token_id: int) -> str: ...
    def flush(self) -> str: ...
    def pass_by(self, control_id: int) -> None: ...


class _ByteReader:
    """Reads tokens that are bytes; at most the three bytes of an incomplete character are held."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._token_bytes = vocabulary.token_bytes
        self._decode = _new_utf8_decoder("replace").decode

    def read(self, token_id: int) -> str:
        return self._decode(self._token_bytes[token_id])

    def flush(self) -> str:
        return self._decode(b"", final=True)

    def pass_by(self, control_id: int) -> None:
        """Nothing: bytes read the same after any token."""


class _Redecoder:
    """Reads tokens whose text depends on what stands before them.

    The tokens shown last are decoded again with the new ones behind them, and what grew is the new text.
    Tokens of byte fallback are read as bytes instead. Other tokens that end in U+FFFD are held until it goes
    away, `_MOST_HELD` of them at most.
    """

    def __init__(self, vocabulary: Vocabulary, begun: Sequence[int]) -> None:
        self._vocabulary = vocabulary
        self._utf8 = _new_utf8_decoder("replace")
        self._context = list(begun)  # shown; empty only before the first token of a text
        self._held: list[int] = []

    def read(self, token_id: int) -> str:
        raw = self._vocabulary.token_bytes[token_id]
        # An ASCII byte that comes first may be a space that the decoder strips.
        if raw and (self._context or raw >= b"\x80"):
            text = self._release(self._grown()) + self._utf8.decode(raw)
            self._context = [token_id]
            return text
        if self._vocabulary.token(token_id) is None:
            return ""
        broken = self._utf8.decode(b"", final=True)
        self._held.append(token_id)
        text = self._grown()
        if text.endswith("\ufffd") and len(self._held) < _MOST_HELD:
            return broken
        return broken + self._release(text)

    def flush(self) -> str:
        return self._utf8.decode(b"", final=True) + self._release(self._grown())

    def pass_by(self, control_id: int) -> None:
        self._context = [control_id]

    def _grown(self) -> str:
        if not self._held:
            return ""
        shown = self._vocabulary.decode(self._context)
        return self._vocabulary.decode(self._context + self._held)[len(shown) :]

    def _release(self, text: str) -> str:
        if self._held:
            self._context, self._held = self._held, []
        return text
