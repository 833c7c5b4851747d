"""What the readers of all formats tell their answers through: words, and calls that may yet turn out to be none."""

from __future__ import annotations

import json
import logging
from typing import cast

from duihua.parsing.parts import CallArguments, CallBegun, CallEnded, Content, Part, Reasoning
from duihua.parsing.schemas import ToolSchemas

__all__ = ["Calls"]

_log = logging.getLogger(__name__)


class Calls:
    """Takes what a reader finds, in order, and makes parts of it.

    What may become a call is held (`hold`) as the model wrote it, until it has begun (`begin`, `write`, `close`) or is
    passed on as text (`fail`). Line breaks between words and a call belong to neither, as templates write their own.

    Attributes:
        schemas: the tools of this turn.
        is_begun: the answer goes on inside a text.
        is_over: whether nothing that follows counts any more.
        malformed: calls passed on as text.
        is_trial: what is held now was found in thinking, and may be no more than that.
    """

    def __init__(self, schemas: ToolSchemas, *, is_single: bool = False, is_begun: bool = False) -> None:
        """`is_single`: only the first call counts."""
        self.schemas = schemas
        self.is_begun = is_begun
        self.is_over = False
        self.malformed = 0
        self.is_trial = False
        self._is_single = is_single
        self._parts: list[Part] = []
        self._number = 0
        self._name: str | None = None  # of the call that has begun
        self._arguments: list[str] = []
        self._raw: list[str] = []
        self._breaks = ""  # line breaks after words, held
        self._is_after_call = False

    def take(self) -> list[Part]:
        """The parts since the last time."""
        parts, self._parts = self._parts, []
        return parts

    def say(self, text: str) -> None:
        """Words for the reader."""
        if self._is_after_call:
            text = text.lstrip()
        if not text:
            return
        self._is_after_call = False
        text = self._breaks + text
        words = text.rstrip("\n")
        self._breaks = text[len(words) :]
        if words:
            self._parts.append(Content(words))

    def think(self, text: str) -> None:
        """Thinking."""
        if text:
            self._parts.append(Reasoning(text))

    def hold(self, raw: str) -> None:
        """More of what may be a call, as it was written."""
        self._raw.append(raw)

    def unhold(self, raw: str) -> None:
        """This end of what was held last is read once more."""
        if self._raw and raw:
            self._raw[-1] = self._raw[-1][: -len(raw)]

    def begin(self, name: str) -> None:
        """The name of a call is certain."""
        self._name = name
        self._parts.append(CallBegun(self._number, name))

    def write(self, arguments: str) -> None:
        """More of the call's arguments, as JSON text."""
        if arguments:
            self._arguments.append(arguments)
            self._parts.append(CallArguments(self._number, arguments))

    def close(self) -> bool:
        """The call is complete; False where its arguments are none, and it was passed on as text."""
        assert self._name is not None, "no call has begun"  # noqa: S101
        if not self._arguments:
            self.write("{}")
        arguments = "".join(self._arguments)
        if not self.are_arguments(arguments):
            self.fail()
            return False
        self._parts.append(CallEnded(self._number, self._name, arguments))
        self._breaks = ""
        self._forget()
        self._is_after_call = True
        self.is_over = self.is_over or self._is_single
        return True

    @staticmethod
    def are_arguments(text: str) -> bool:
        """Whether a text is a JSON object, in which every string can be encoded."""
        try:
            value: object = json.loads(text, parse_constant=_refuse)
            return isinstance(value, dict) and bool(json.dumps(cast("object", value), ensure_ascii=False).encode())
        except (ValueError, RecursionError):
            return False

    def fail(self, *, is_malformed: bool = True) -> None:
        """It is no call: what was held is words.

        Args:
            is_malformed: whether it was meant as one.
        """
        raw = "".join(self._raw)
        if is_malformed and not (self.is_trial and self._name is None):
            self.malformed += 1
            _log.info("a malformed call (%s, %d characters) is passed on as text", self._name or "unnamed", len(raw))
        self._forget()
        self._is_after_call = False
        self.say(raw)

    def cut(self) -> None:
        """The answer was cut inside of what may be a call: half a call is dropped, anything less is words."""
        raw = "" if self._name is not None else "".join(self._raw)
        self._forget()
        self.say(raw)

    def flush(self) -> None:
        """The answer ended."""
        if self._breaks and not self._is_after_call:
            self._parts.append(Content(self._breaks))
        self._breaks = ""

    def _forget(self) -> None:
        if self._name is not None:
            self._number += 1
        self._name = None
        self._arguments, self._raw = [], []


def _refuse(constant: str) -> object:
    raise ValueError(constant)
