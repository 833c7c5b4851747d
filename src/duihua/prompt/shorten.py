"""One text cut down to so many tokens, at token borders, with a sign where something went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Literal, NamedTuple

from duihua.messages import Message

__all__ = ["Cut", "ends", "shorten"]

_SLICE: Final = 32_768  # characters
_GAP: Final = " … "
_GAP_TOKENS: Final = 4  # about what the sign costs; the caller counts again


class Cut(NamedTuple):
    """The characters `start` up to `stop` of a text go, and a sign stands in their place."""

    start: int
    stop: int
    sign: str

    def of(self, message: Message) -> Message:
        """The message without those words. Its pictures stay, those between the words that go at the cut."""
        if self.start == self.stop:
            return message
        content = message.content[: self.start] + self.sign + message.content[self.stop :]
        images = tuple(replace(placed, at=self._moved(placed.at)) for placed in message.images)
        return replace(message, content=content, images=images, sampled=())

    def _moved(self, at: int) -> int:
        if at >= self.stop:
            return at - self.stop + self.start + len(self.sign)
        return min(at, self.start)


def shorten(text: str, offsets: Sequence[tuple[int, int]], keep: int, cut: Literal["head", "tail", "middle"]) -> Cut:
    """What goes of a text so that `keep` tokens are left: its head, its tail or its middle.

    Args:
        offsets: (start, end) in characters of each token of the text.
        keep: tokens to keep, the sign for what went included.
    """
    count = max(1, keep - _GAP_TOKENS)
    if count >= len(offsets):
        return Cut(len(text), len(text), "")
    if cut == "tail":
        return Cut(offsets[count][0], len(text), _GAP.rstrip())
    if cut == "head":
        return Cut(0, offsets[len(offsets) - count][0], _GAP.lstrip())
    head = (count + 1) // 2
    rest = count - head
    return Cut(offsets[head][0], offsets[len(offsets) - rest][0] if rest else len(text), _GAP)


def ends(text: str, tokens: int, cut: Literal["head", "tail", "middle"], length: Callable[[str], int]) -> Cut:
    """What of a very long text goes in any case when it is shortened to `tokens`: most of its middle, head or tail.

    Args:
        length: counts tokens.
    """
    enough = tokens + 100  # where it is cut here, a few tokens are others
    head = 0 if cut == "head" else _until(text, enough, length)
    tail = 0 if cut == "tail" else _until(text, enough, length, backwards=True)
    return Cut(len(text), len(text), "") if head + tail >= len(text) else Cut(head, len(text) - tail, "")


def _until(text: str, tokens: int, length: Callable[[str], int], *, backwards: bool = False) -> int:
    """How many characters hold so many tokens, from one end."""
    characters = 0
    while tokens > 0 and characters < len(text):
        end = len(text) - characters if backwards else characters + _SLICE
        tokens -= length(text[max(0, end - _SLICE) : end])
        characters += _SLICE
    return min(characters, len(text))
