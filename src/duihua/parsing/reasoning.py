"""Thinking told apart from the answer, by control tokens."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Channel", "ReasoningRouter", "Routed"]

Channel = Literal["content", "reasoning"]


class Routed(NamedTuple):
    """Text and the channel it belongs to."""

    channel: Channel
    text: str


class ReasoningRouter:
    """Sends each piece of an answer to `reasoning` or `content`.

    Only the tag's own token opens or closes thinking: the same letters written out are text. The line breaks
    with which models set thinking off from the tags and the answer belong to neither, nor do those before thinking.

    Args:
        opening, closing: ids of the family's tags; None where the model has none.
        opened: whether the prompt ended inside thinking.
    """

    def __init__(self, opening: int | None, closing: int | None, *, opened: bool = False) -> None:
        self._opening, self._closing = opening, closing
        self.channel: Channel = "reasoning" if opened else "content"
        self._at_edge = opened  # right behind a tag, where line breaks are dropped
        self._breaks = ""  # line breaks at the end of thinking, or before it, dropped if it closes or opens here
        self._at_start = opening is not None and not opened  # of an answer that may begin with thinking

    @property
    def is_plain(self) -> bool:
        """Whether text goes to the answer just as it is."""
        return self.channel == "content" and not self._at_edge and not self._at_start

    def push(self, text: str, control: int | None) -> Routed | None:
        """Where this piece goes; None when nothing of it is to be shown."""
        if control is not None and control in (self._opening, self._closing):
            self.channel = "reasoning" if control == self._opening else "content"
            self._at_edge, self._at_start, self._breaks = True, False, ""
            return None
        if self._at_start:
            text = self._breaks + text
            self._at_start = not text.strip("\n")
            self._breaks = text if self._at_start else ""
            return None if self._at_start else Routed(self.channel, text)
        if self._at_edge:
            text = text.lstrip("\n")
        if self.channel == "reasoning":
            text = self._breaks + text
            self._breaks = text[len(text.rstrip("\n")) :]
            text = text[: len(text) - len(self._breaks)]
        if not text:
            return None
        self._at_edge = False
        return Routed(self.channel, text)

    def close(self) -> None:
        """Thinking ended without its tag."""
        self.channel, self._at_edge, self._breaks = "content", False, ""

    def begin(self) -> Routed | None:
        """The answer begins, or is over: what was held before it, where that was not before thinking."""
        held, self._breaks = self._breaks if self._at_start else "", ""
        self._at_start = False
        return Routed(self.channel, held) if held else None
