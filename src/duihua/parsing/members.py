"""A JSON object's members as they come, and a call that is written as one object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from duihua.parsing.arguments import ObjectArguments, ObjectText
from duihua.parsing.calls import Calls

__all__ = ["CallObject", "Member", "Members"]

_State = Literal["object", "key", "in key", "colon", "value", "in text", "in object", "in scalar", "comma"]
_BLANK: Final = " \t\r\n"
_ARGUMENT_KEYS: Final = ("arguments", "parameters")
_OTHER_KEYS: Final = ("type", "id")  # what models copy from schemas and earlier calls


class Member(NamedTuple):
    """Some of a member's value, as it is written."""

    key: str
    text: str
    is_end: bool


class Members:
    """Reads the members of one JSON object; only its own level is checked, the values are not.

    Attributes:
        is_done: the object is complete.
        is_broken: this is no object.
        rest: what followed it.
    """

    def __init__(self) -> None:
        self.is_done = False
        self.is_broken = False
        self.rest = ""
        self._state: _State = "object"
        self._key = ""
        self._escaped = False
        self._object = ObjectText()
        self._may_end = True  # whether the object may end where a key may stand

    def push(self, text: str) -> Iterator[Member]:
        """What more text tells."""
        position = 0
        while position < len(text) and not self.is_done and not self.is_broken:
            if self._state == "in object":
                taken = self._object.take(text[position:])
                value = text[position : position + taken]
                position += taken
                self._state = "comma" if self._object.is_done else "in object"
                yield Member(self._key, value, self._object.is_done)
            elif self._state == "in text" or self._state == "in key":
                end, is_end = self._in_text(text, position)
                piece, position = text[position:end], end
                yield from self._string(piece, is_end=is_end)
            else:
                yield from self._character(text[position])
                position += not self._is_at_object  # which reads its bracket itself
        self.rest = text[position:]

    @property
    def _is_at_object(self) -> bool:
        return self._state == "in object"

    def _in_text(self, text: str, position: int) -> tuple[int, bool]:
        """How far a string goes here, and whether that is its end."""
        for index in range(position, len(text)):
            if self._escaped:
                self._escaped = False
            elif text[index] == "\\":
                self._escaped = True
            elif text[index] == '"':
                return index + 1, True
        return len(text), False

    def _string(self, piece: str, *, is_end: bool) -> Iterator[Member]:
        if self._state == "in key":
            self._key += piece.removesuffix('"') if is_end else piece
            self._state = "colon" if is_end else "in key"
            return
        self._state = "comma" if is_end else "in text"
        yield Member(self._key, piece, is_end)

    def _character(self, character: str) -> Iterator[Member]:
        match self._state:
            case "in scalar" if character in ",}" + _BLANK:
                yield Member(self._key, "", is_end=True)
                self._state = "comma"
                yield from self._character(character)
            case "in scalar":
                yield Member(self._key, character, is_end=False)
            case _ if character in _BLANK:
                pass
            case "value":
                yield from self._value(character)
            case _:
                self._punctuation(character)

    def _value(self, character: str) -> Iterator[Member]:
        if character in "{[":
            self._object, self._state = ObjectText(), "in object"
            return
        self._state = "in text" if character == '"' else "in scalar"
        if character in ",}:":
            self.is_broken = True
        else:
            yield Member(self._key, character, is_end=False)

    def _punctuation(self, character: str) -> None:
        follows: dict[tuple[_State, str], _State] = {
            ("object", "{"): "key",
            ("key", '"'): "in key",
            ("colon", ":"): "value",
            ("comma", ","): "key",
        }
        if character == "}" and (self._state == "comma" or (self._state == "key" and self._may_end)):
            self.is_done = True
        elif (self._state, character) in follows:
            self._may_end = self._state == "object"
            self._state = follows[self._state, character]
            if self._state == "in key":
                self._key = ""
        else:
            self.is_broken = True


class CallObject:
    """A call that is one object, with a name and arguments: `{"name": ..., "arguments": {...}}`.

    Arguments may be called parameters, be the text of an object in a string, or stand before the name.

    Args:
        calls: told of the call as it comes.
        is_bare: nothing but the object itself says that it is a call. Then it is one only with a tool's own name, with
            arguments, and with no other member than calls have.

    Attributes:
        is_broken: this is no call.
        rest: what followed the object.
    """

    def __init__(self, calls: Calls, *, is_bare: bool = False) -> None:
        self.is_broken = False
        self.rest = ""
        self._calls = calls
        self._is_bare = is_bare
        self._members = Members()
        self._name = ""
        self._is_named = False
        self._has_begun = False
        self._waiting = ""  # arguments that came before the name
        self._text = ""  # arguments in a string, or in no form at all
        self._object: ObjectArguments | None = None
        self._has_arguments = False

    def push(self, text: str) -> bool:
        """Whether the object is complete, and the call ready to be closed."""
        for member in self._members.push(text):
            self._take(member)
            if self.is_broken:
                return False
        self.rest = self._members.rest
        self.is_broken = self._members.is_broken or (self._members.is_done and not self._finish())
        return self._members.is_done and not self.is_broken

    def _take(self, member: Member) -> None:
        if member.key == "name":
            self._name += member.text
            if member.is_end:
                self._named()
        elif member.key in _ARGUMENT_KEYS:
            self._has_arguments = True
            if self._is_named:
                self._argue(member.text)
            else:
                self._waiting += member.text
        elif self._is_bare and member.key not in _OTHER_KEYS:
            self.is_broken = True

    def _named(self) -> None:
        try:
            name: object = json.loads(self._name)
        except ValueError:
            name = None
        if not isinstance(name, str) or not name or (self._is_bare and name not in self._calls.schemas):
            self.is_broken = True
            return
        self._name, self._is_named = name, True
        if self._waiting:
            self._argue(self._waiting)

    def _argue(self, text: str) -> None:
        self._begin()
        if self._object is None and not self._text and text.startswith("{"):
            self._object = ObjectArguments(self._calls)
        if self._object is not None:
            self._object.push(text)
        else:
            self._text += text

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._calls.begin(self._name)

    def _finish(self) -> bool:
        if not self._is_named or (self._is_bare and not self._has_arguments):
            return False
        self._begin()
        if self._text and self._text != "null":
            try:
                value: object = json.loads(self._text)
            except ValueError:
                return False
            self._calls.write(value if isinstance(value, str) else self._text)
        return True
