"""Text to token ids, piece by piece, each piece encoded once.

Control tokens are hard borders for Hugging Face fast tokenizers: the ids of a text are the ids of the pieces
between them, one after another. That holds for tokens whose AddedToken has none of the flags `lstrip`,
`rstrip`, `single_word`, and is not matched in normalised text (https://huggingface.co/docs/tokenizers/api/added-tokens).
Pieces that hold a token with such a flag are encoded by the whole tokenizer. Where a tokenizer breaks the rule
(a prefix put before the first piece only, say), the whole text is encoded at once.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tokenizers import Tokenizer

from duihua.errors import InvalidMessages
from duihua.prompt.literals import Guard, Literals
from duihua.prompt.prompt import FarTooLong
from duihua.prompt.slices import SLICE, Check, encoding_of, ids_of, length_of, no_check, offsets_of

__all__ = ["Encoded", "PieceEncoder", "Sampled"]

Sampled = Mapping[tuple[str, str], tuple[int, ...]]
"""(control literal before a piece, the piece) -> ids to use for it."""

_log = logging.getLogger(__name__)
_CACHE_BYTES: Final = 64 * 2**20
_CROWDED: Final = 8  # characters a token; a text that has fewer is encoded without being counted first
_RUN: Final = 100_000  # ids that are looked through at once
_PROBES: Final = ("{0}hello world{0}", "{0}\n 你好 {0}{0}a  b\n\n{0} 1234", "x{0} y")


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids, and where pieces meet: pairs of (position in the text, position in the ids)."""

    token_ids: list[int]
    borders: list[tuple[int, int]]


class PieceEncoder:
    """Encodes text whose control literals are the template's own; hidden ones are read as plain text.

    Not thread-safe: one encoder belongs to one thread.

    Args:
        tokenizer: it is read, never changed.
        check: called between parts of long texts; what it raises ends their encoding.
    """

    def __init__(self, tokenizer: Tokenizer, check: Check = no_check) -> None:
        self._check = check
        self._whole = tokenizer
        self._plain = _without_added_vocabulary(tokenizer)
        added = tokenizer.get_added_tokens_decoder()
        self._ids = {token.content: number for number, token in added.items()}
        self.literals = Literals(self._ids)
        has_normaliser = tokenizer.normalizer is not None
        bound = {
            token.content
            for token in added.values()
            if token.lstrip or token.rstrip or token.single_word or (token.normalized and has_normaliser)
        }
        self._borders = Literals(set(self._ids) - bound)
        self._bound = Literals(bound)
        self._has_bound = bool(bound)
        self._control_ids = frozenset(added)
        self._cache: OrderedDict[str, tuple[int, ...]] = OrderedDict()
        self._cache_bytes = 0
        self._cache_guard: Guard | None = None
        self.is_piecewise = self._pieces_hold()
        if not self.is_piecewise:
            _log.warning("this tokenizer's pieces depend on each other: whole prompts are encoded at each turn")

    def id_of(self, literal: str) -> int | None:
        """The id of a control literal."""
        return self._ids.get(literal)

    def raw(self, text: str) -> list[int]:
        """The ids of raw text, in which control literals are control tokens."""
        return ids_of(self._whole, text, self._check)

    def check_length(self, text: str, guard: Guard | None, most: int | None) -> None:
        """Refuse a text, guarded or raw, that has more than `most` tokens by far, before it is encoded.

        It is counted roughly, and only where it has many characters for so many tokens. A slice changes what stands
        beside its ends only, so that twice as many are surely too many; where pieces depend on each other, four times.

        Raises:
            FarTooLong: it has.
        """
        if most is None or len(text) <= SLICE + _CROWDED * most:
            return
        count, enough = 0, most * (2 if self.is_piecewise else 4)
        for start in range(0, len(text), SLICE):
            self._check()
            for index, part in enumerate(self.literals.split(text[start : start + SLICE])):
                plain = part if guard is None else guard.restore(part)
                count += 1 if index % 2 else length_of(self._plain, plain, self._check)
                if count > enough:
                    raise FarTooLong

    def encode(self, text: str, guard: Guard, sampled: Sampled | None = None) -> Encoded:
        """The ids of guarded (and possibly bracketed) text.

        Raises:
            InvalidMessages: a hidden literal cannot be read as plain text by this tokenizer.
        """
        if not self.is_piecewise:
            return self._encode_whole(text, guard)
        token_ids: list[int] = []
        borders: list[tuple[int, int]] = []
        position = 0
        opener = ""
        inside = False  # a caller's string
        for index, part in enumerate(self._borders.split(text)):
            if index % 2:
                if inside:
                    raise _made_up(part)
                borders.append((position, len(token_ids)))
                position += len(part)
                token_ids.append(self._ids[part])
                borders.append((position, len(token_ids)))
                opener = part
            elif part:
                opens = guard.opens_last(part)
                inside = inside if opens is None else opens
                piece = guard.unbracket(part)
                position += len(piece)
                ids = sampled.get((opener, piece)) if sampled else None
                token_ids.extend(self._piece(piece, part, guard) if ids is None else ids)
        borders.append((position, len(token_ids)))
        return Encoded(token_ids, borders)

    def offsets(self, piece: str, guard: Guard) -> list[int]:
        """Where each token of one plain piece begins, in characters of the piece."""
        return [start for start, _ in self.plain_offsets(guard.restore(piece))]

    def plain_offsets(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in characters of each token of a text that holds no control token."""
        return offsets_of(self._plain, text, self._check)

    def plain_length(self, text: str) -> int:
        """Tokens of a text that holds no control token."""
        return length_of(self._plain, text, self._check)

    def _piece(self, piece: str, bracketed: str, guard: Guard) -> tuple[int, ...]:
        if self._has_bound:
            return self._encode_bound(piece, bracketed, guard)
        if self._cache_guard is not guard:  # another guard's marks mean other literals
            self._cache.clear()
            self._cache_bytes, self._cache_guard = 0, guard
        ids = self._cache.get(piece)
        if ids is None:
            ids = self._encode_plain(guard.restore(piece))
            size = _size(piece, ids)
            if size > _CACHE_BYTES // 16:
                return ids
            self._cache[piece] = ids
            self._cache_bytes += size
            while self._cache_bytes > _CACHE_BYTES:
                self._cache_bytes -= _size(*self._cache.popitem(last=False))
        else:
            self._cache.move_to_end(piece)
        return ids

    def _encode_plain(self, text: str) -> tuple[int, ...]:
        ids = tuple(ids_of(self._plain, text, self._check))
        if any(not self._control_ids.isdisjoint(ids[start : start + _RUN]) for start in range(0, len(ids), _RUN)):
            match = self.literals.occurs_in(text)
            raise _unguardable(match[0] if match else text)
        return ids

    def _encode_bound(self, piece: str, bracketed: str, guard: Guard) -> tuple[int, ...]:
        """A piece that may hold tokens that are no hard borders, or make some once it is normalised."""
        if self._bound.occurs_in(piece) and guard.hides_in(piece):
            raise _unguardable(guard.hidden_in(piece) or piece)
        ids = tuple(ids_of(self._whole, guard.restore(piece), self._check))
        if not guard.hides_in(piece) and self._control_in(ids) == self._written(bracketed, guard):
            return ids
        plain = tuple(ids_of(self._plain, guard.restore(piece), self._check))
        if self._bound.occurs_in(bracketed) or self._control_in(plain):
            raise _unguardable(guard.restore(piece))
        return plain

    def _encode_whole(self, text: str, guard: Guard) -> Encoded:
        hidden = guard.hidden_in(text)
        if hidden is not None:
            raise _unguardable(hidden)
        plain = guard.unbracket(text)
        encoding = encoding_of(self._whole, plain)
        found, written = self._control_in(encoding.ids), self._written(text, guard)
        if found != written:
            surplus = next((i for i in found if i not in written), found[0] if found else None)
            raise _made_up(next((literal for literal, i in self._ids.items() if i == surplus), "a control token"))
        starts = [(start, index) for index, (start, _) in enumerate(encoding.offsets)]
        return Encoded(encoding.ids, [*starts, (len(plain), len(encoding.ids))])

    def _control_in(self, token_ids: Sequence[int]) -> list[int]:
        return [token_id for token_id in token_ids if token_id in self._control_ids]

    def _written(self, bracketed: str, guard: Guard) -> list[int]:
        """The control tokens that the template itself wrote, outside every caller's string."""
        found: list[int] = []
        inside = False
        for index, part in enumerate(self.literals.split(bracketed)):
            if index % 2 == 0:
                opens = guard.opens_last(part)
                inside = inside if opens is None else opens
            elif not inside:
                found.append(self._ids[part])
        return found

    def _pieces_hold(self) -> bool:
        guard = Guard(self.literals)
        self.is_piecewise = True
        for literal in self._borders.all[:4] or ("",):
            for probe in _PROBES:
                text = probe.format(literal)
                if self.raw(text) != self.encode(text, guard).token_ids:
                    return False
        return True


def _without_added_vocabulary(tokenizer: Tokenizer) -> Tokenizer:
    """A second tokenizer over the same model (shared, not copied) that knows no added token."""
    plain = Tokenizer(tokenizer.model)
    if tokenizer.normalizer is not None:
        plain.normalizer = tokenizer.normalizer
    if tokenizer.pre_tokenizer is not None:
        plain.pre_tokenizer = tokenizer.pre_tokenizer
    return plain


def _unguardable(what: str) -> InvalidMessages:
    return InvalidMessages(
        f"{what!r} is a control token of this model, and its tokenizer cannot read it as plain text: take it out"
    )


def _made_up(literal: str) -> InvalidMessages:
    return InvalidMessages(
        f"the control token {literal!r} would come about from a message's own text, which this model's template or "
        f"tokenizer alters: change that text"
    )


def _size(piece: str, ids: tuple[int, ...]) -> int:
    return 200 + 2 * len(piece) + 8 * len(ids)
