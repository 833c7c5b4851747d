"""Encoding of long texts, slice by slice: while one is encoded other threads run, and little memory is held.

`Tokenizer.encode` keeps every other Python thread waiting until it is done, and holds some 150 bytes for each token;
`encode_batch` lets them run. A slice ends where a word begins, as the tokenizer itself parts words. What stands
before that place is encoded twice, once at the end of a slice and once at the beginning of the next; where both
read differently (a tokenizer whose words hang together), the whole rest is encoded at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tokenizers import Encoding, Tokenizer

__all__ = ["SLICE", "Check", "encoding_of", "ids_of", "length_of", "no_check", "offsets_of"]

SLICE: Final = 65_536  # characters; a text of no more is encoded at once
_SHORT: Final = 2048  # characters that take no longer than letting other threads run does
_MARGIN: Final = 1024  # characters at a slice's end that may read otherwise with more text behind them
_OVERLAP: Final = 512  # characters that both slices hold before the place where they meet


Check = Callable[[], None]
"""Called between slices; raises where nobody waits for the outcome any more."""


def no_check() -> None:
    """Somebody always waits."""


class _Stretch(NamedTuple):
    """Tokens `first` up to `last` of an encoding of the text from the character `start` on."""

    encoding: Encoding
    first: int
    last: int
    start: int


def encoding_of(tokenizer: Tokenizer, text: str) -> Encoding:
    """A text encoded at once, nothing added."""
    if len(text) <= _SHORT:
        return tokenizer.encode(text, add_special_tokens=False)
    return tokenizer.encode_batch([text], add_special_tokens=False)[0]


def ids_of(tokenizer: Tokenizer, text: str, check: Check) -> list[int]:
    """The ids of a text, nothing added."""
    if len(text) <= _SHORT:
        return tokenizer.encode(text, add_special_tokens=False).ids
    if len(text) <= SLICE:
        return tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids
    found: list[int] = []
    for encoding, first, last, _ in _stretches(tokenizer, text, check):
        found += encoding.ids[first:last]
    return found


def length_of(tokenizer: Tokenizer, text: str, check: Check) -> int:
    """How many ids a text has."""
    if len(text) <= SLICE:
        return len(ids_of(tokenizer, text, check))
    return sum(stretch.last - stretch.first for stretch in _stretches(tokenizer, text, check))


def offsets_of(tokenizer: Tokenizer, text: str, check: Check) -> list[tuple[int, int]]:
    """(start, end) in characters of each token of a text."""
    found: list[tuple[int, int]] = []
    for encoding, first, last, start in _stretches(tokenizer, text, check):
        found += [(start + begin, start + end) for begin, end in encoding.offsets[first:last]]
    return found


def _stretches(tokenizer: Tokenizer, text: str, check: Check) -> Iterator[_Stretch]:
    """Encodings that follow each other and hold every token once."""
    start, size = 0, SLICE
    encoding, first = encoding_of(tokenizer, text[:size]), 0
    while start + size < len(text):
        check()
        seam = _seam(encoding, size)
        if seam is None or seam.token <= first:  # one long word
            size *= 2
            encoding = encoding_of(tokenizer, text[start : start + size])
            continue
        after = encoding_of(tokenizer, text[start + seam.earlier : start + seam.earlier + SLICE])
        overlap = seam.token - seam.earlier_token
        if not _agree(encoding, after, seam, overlap):
            size = len(text)
            encoding = encoding_of(tokenizer, text[start:])
            continue
        yield _Stretch(encoding, first, seam.token, start)
        start, size = start + seam.earlier, SLICE
        encoding, first = after, overlap
    yield _Stretch(encoding, first, len(encoding), start)


class _Seam(NamedTuple):
    """Where a slice ends and, in the next one, where it began: each the start of a word, in tokens and characters."""

    token: int
    character: int
    earlier_token: int
    earlier: int


def _seam(encoding: Encoding, size: int) -> _Seam | None:
    """Where to leave an encoding of so many characters; None where one word reaches too far."""
    later = _word_at(encoding, size - _MARGIN)
    earlier = None if later is None else _word_at(encoding, later[1] - _OVERLAP)
    return None if later is None or earlier is None else _Seam(*later, *earlier)


def _word_at(encoding: Encoding, character: int) -> tuple[int, int] | None:
    """Token and character where the word begins in which a character stands, or the one right before."""
    for place in range(character, max(0, character - _OVERLAP), -1):
        token = encoding.char_to_token(place)
        word = None if token is None else encoding.token_to_word(token)
        tokens = None if word is None else encoding.word_to_tokens(word)
        chars = None if tokens is None else encoding.token_to_chars(tokens[0])
        if tokens is not None and chars is not None:
            return (tokens[0], chars[0]) if tokens[0] else None
    return None


def _agree(before: Encoding, after: Encoding, seam: _Seam, overlap: int) -> bool:
    """Whether both read what they share alike, and a word begins at the seam in both."""
    chars = after.token_to_chars(overlap)
    return (
        after.ids[:overlap] == before.ids[seam.earlier_token : seam.token]
        and chars is not None
        and chars[0] == seam.character - seam.earlier
        and after.token_to_word(overlap) != after.token_to_word(overlap - 1)
    )
