"""Arguments as they come: a JSON object, raw text, or one parameter after the other."""

from __future__ import annotations

import json
import re
from typing import Final

from duihua.parsing.calls import Calls
from duihua.parsing.literals import json_object_of

__all__ = ["ObjectArguments", "ObjectText", "ParameterArguments", "TextArguments", "escaped"]

_TURNS: Final = re.compile(r"[\"'\\{}\[\]]")


def escaped(text: str) -> str:
    """A text as it stands inside a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


class ObjectText:
    """Finds where an object ends in text that begins with it, by its brackets.

    Strings may be in single quotes too, as in Python, which JSON has nowhere outside a string.
    """

    def __init__(self) -> None:
        self.is_done = False
        self._depth = 0
        self._quote = ""
        self._is_escaped = False

    def take(self, text: str) -> int:
        """How many of these further characters belong to the object."""
        position = 0
        while position < len(text):
            if self._is_escaped:
                self._is_escaped = False
                position += 1
                continue
            turn = _TURNS.search(text, position)
            if turn is None:
                return len(text)
            position = turn.end()
            self._turn(turn[0])
            if self.is_done:
                return position
        return position

    def _turn(self, character: str) -> None:
        if self._quote:
            self._is_escaped = character == "\\"
            self._quote = "" if character == self._quote else self._quote
        elif character in "\"'":
            self._quote = character
        elif character in "{[":
            self._depth += 1
        elif character in "}]":
            self._depth -= 1
            self.is_done = self._depth <= 0


class ObjectArguments:
    """Arguments that the model writes as an object.

    JSON is passed on as it comes. A Python dictionary, known by how its first key is written, waits for its end.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._object = ObjectText()
        self._held = ""
        self._is_json: bool | None = None

    def push(self, text: str) -> str | None:
        """What follows the object; None while it goes on."""
        taken = self._object.take(text)
        self._pass(text[:taken])
        if not self._object.is_done:
            return None
        self._calls.write(json_object_of(self._held) if self._held else "")
        self._held = ""
        return text[taken:]

    def _pass(self, text: str) -> None:
        if self._is_json:
            self._calls.write(text)
            return
        self._held += text
        inner = self._held[1:].lstrip() if self._is_json is None else ""
        if inner:
            self._is_json = inner[0] in '"}'
        if self._is_json:
            self._calls.write(self._held)
            self._held = ""


class TextArguments:
    """Arguments that are one raw text, as the string of one parameter. White space around it is no part of it."""

    def __init__(self, calls: Calls, key: str) -> None:
        self._calls = calls
        self._key = key
        self._is_open = False
        self._blank = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but white space yet."""
        return not self._is_open

    def push(self, text: str) -> None:
        """More of the text."""
        if not self._is_open:
            text = text.lstrip()
            if not text:
                return
            self._calls.write("{" + json.dumps(self._key, ensure_ascii=False) + ': "')
            self._is_open = True
        text = self._blank + text
        words = text.rstrip()
        self._blank = text[len(words) :]
        self._calls.write(escaped(words))

    def finish(self) -> None:
        """The text ended."""
        self._calls.write('"}' if self._is_open else "{" + json.dumps(self._key, ensure_ascii=False) + ': ""}')


class ParameterArguments:
    """Arguments that come one by one, as bare text; the tool's schema says of which type each is.

    A string is passed on as it comes, anything else when it is complete.

    Args:
        calls: told of the arguments.
        name: of the tool.
        has_breaks: whether a line break before a value and one after it are no part of it.
    """

    def __init__(self, calls: Calls, name: str, *, has_breaks: bool = False) -> None:
        self._calls = calls
        self._name = name
        self._has_breaks = has_breaks
        self._is_first = True
        self._key = ""
        self._is_text = False
        self._is_at_start = False
        self._held = ""

    @property
    def is_empty(self) -> bool:
        """Whether no parameter came yet."""
        return self._is_first

    def begin(self, key: str) -> None:
        """The next value is this parameter's."""
        self._calls.write(("{" if self._is_first else ", ") + json.dumps(key, ensure_ascii=False) + ": ")
        self._is_first = False
        self._key, self._held, self._is_at_start = key, "", True
        self._is_text = self._calls.schemas.is_text(self._name, key)
        if self._is_text:
            self._calls.write('"')

    def push(self, text: str) -> None:
        """More of the value."""
        if self._is_at_start and text:
            self._is_at_start = False
            text = text.removeprefix("\n") if self._has_breaks else text
        self._held += text
        if self._is_text:
            kept = int(self._has_breaks and self._held.endswith("\n"))
            shown = self._held[: len(self._held) - kept]
            self._held = self._held[len(shown) :]
            self._calls.write(escaped(shown))

    def end(self) -> None:
        """The value is complete."""
        value = self._held.removesuffix("\n") if self._has_breaks else self._held
        if self._is_text:
            self._calls.write(escaped(value) + '"')
        else:
            self._calls.write(self._calls.schemas.json_of(self._name, self._key, value))

    def finish(self) -> None:
        """There are no more."""
        self._calls.write("{}" if self._is_first else "}")
