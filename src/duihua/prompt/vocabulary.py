"""What each token id stands for: bytes of text, or a control token."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Vocabulary"]

_BYTE_TOKEN: Final = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_MANY: Final = 1000
_IDS: Final = range(2**32)  # a tokenizer's ids are unsigned 32-bit numbers


def _byte_alphabet() -> dict[str, int]:
    """The character that stands for each byte in a byte-level vocabulary.

    Printable characters of Latin-1 stand for themselves, the other bytes in order for U+0100 and on
    (`bytes_to_unicode` in https://github.com/openai/gpt-2/blob/master/src/encoder.py).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = sorted(set(range(0x100)).difference(printable))
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


_BYTE_OF: Final[Mapping[str, int]] = MappingProxyType(_byte_alphabet())


class Vocabulary:
    """The ids of one tokenizer, which must not be given more tokens afterwards.

    Making one reads the added tokens only; the bytes of an id are worked out when it is first seen. Safe to
    share between threads.

    Attributes:
        control_ids: the literal of each control token, by id. Every added token is one, special
            (`<|user|>`) or not (`<think>`).
        special_ids: those control tokens that the tokenizer marks as special.
        is_byte_level: whether tokens are bytes written in the GPT-2 alphabet.
        token_bytes: the bytes of an ordinary token, by id. Empty for control tokens and for ids that are no
            token (holes, padding rows). Where the tokenizer is not byte-level, it has bytes for the tokens
            of byte fallback (`<0xE4>`) only, since how other tokens read depends on the ones before.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        self.control_ids: Mapping[int, str] = MappingProxyType({i: token.content for i, token in added.items()})
        self.special_ids = frozenset(i for i, token in added.items() if token.special)
        self._ids = {literal: i for i, literal in self.control_ids.items()}
        steps = _decoding_steps(tokenizer)
        self.is_byte_level = [step for step in steps if step != "Fuse"] == ["ByteLevel"]
        self.token_bytes: Mapping[int, bytes] = _TokenBytes(self, has_byte_tokens="ByteFallback" in steps)

    @cached_property
    def size(self) -> int:
        """The highest id plus one; ids below it may be holes."""
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        return max(vocabulary.values(), default=-1) + 1

    def literal(self, token_id: int) -> str | None:
        """How a control token is written; None for every other id."""
        return self.control_ids.get(token_id)

    def id_of(self, literal: str) -> int | None:
        """The id of a control token; None where no control token is written like this."""
        return self._ids.get(literal)

    def token(self, token_id: int) -> str | None:
        """A token as the tokenizer's files write it (`Ġhello`); None for an id that is no token."""
        return self._tokenizer.id_to_token(token_id) if token_id in _IDS else None

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of these ids by the tokenizer's own decoder, control tokens included."""
        if len(token_ids) > _MANY:  # many at once let other threads run meanwhile, which one does not
            return self._tokenizer.decode_batch([token_ids], skip_special_tokens=False)[0]
        return self._tokenizer.decode(token_ids, skip_special_tokens=False)


class _TokenBytes(dict[int, bytes]):
    """Filled as ids are asked for, so that a lookup is one step of C."""

    def __init__(self, vocabulary: Vocabulary, *, has_byte_tokens: bool) -> None:
        self._vocabulary = vocabulary
        self._has_byte_tokens = has_byte_tokens

    def __missing__(self, token_id: int) -> bytes:
        token = self._vocabulary.token(token_id)
        if token is None:  # not kept: there is no end of ids that are no token
            return b""
        self[token_id] = value = b"" if token_id in self._vocabulary.control_ids else self._bytes_of(token)
        return value

    def _bytes_of(self, token: str) -> bytes:
        if self._vocabulary.is_byte_level:
            try:
                return bytes(map(_BYTE_OF.__getitem__, token))
            except KeyError:  # plain text: so the tokenizer's own decoder reads it
                return token.encode()
        match = _BYTE_TOKEN.fullmatch(token) if self._has_byte_tokens else None
        return bytes([int(match[1], 16)]) if match else b""


def _decoding_steps(tokenizer: Tokenizer) -> list[str]:
    if tokenizer.decoder is None:
        return []
    state: dict[str, Any] = json.loads(tokenizer.decoder.__getstate__())
    return [step["type"] for step in state.get("decoders", [state])]
