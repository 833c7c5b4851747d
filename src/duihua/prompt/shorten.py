"""One text cut down to so many tokens, at token borders, with a sign where something went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

__all__ = ["ends", "shorten"]

_SLICE: Final = 32_768  # characters
_GAP: Final = " … "
_GAP_TOKENS: Final = 4  # about what the sign costs; the caller counts again


def shorten(text: str, offsets: Sequence[tuple[int, int]], keep: int, cut: Literal["head", "tail", "middle"]) -> str:
    """A text of which `keep` tokens are left, the rest cut out at its head, its tail or its middle.

    Args:
        offsets: (start, end) in characters of each token of the text.
        keep: tokens to keep, the sign for what went included.
    """
    count = max(1, keep - _GAP_TOKENS)
    if count >= len(offsets):
        return text
    if cut == "tail":
        return text[: offsets[count][0]] + _GAP.rstrip()
    if cut == "head":
        return _GAP.lstrip() + text[offsets[len(offsets) - count][0] :]
    head = (count + 1) // 2
    rest = count - head
    return text[: offsets[head][0]] + _GAP + (text[offsets[len(offsets) - rest][0] :] if rest else "")


def ends(text: str, tokens: int, cut: Literal["head", "tail", "middle"], length: Callable[[str], int]) -> str:
    """A very long text without that much of its middle, head or tail that shortening it to `tokens` takes anyway.

    Args:
        length: counts tokens.
    """
    enough = tokens + 100  # where it is cut here, a few tokens are others
    head = 0 if cut == "head" else _until(text, enough, length)
    tail = 0 if cut == "tail" else _until(text, enough, length, backwards=True)
    return text if head + tail >= len(text) else text[:head] + text[len(text) - tail :]


def _until(text: str, tokens: int, length: Callable[[str], int], *, backwards: bool = False) -> int:
    """How many characters hold so many tokens, from one end."""
    characters = 0
    while tokens > 0 and characters < len(text):
        end = len(text) - characters if backwards else characters + _SLICE
        tokens -= length(text[max(0, end - _SLICE) : end])
        characters += _SLICE
    return min(characters, len(text))
