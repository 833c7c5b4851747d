"""Text is data: control literals inside a caller's strings are hidden while a template renders.

A control literal (`<|user|>`, `<think>`) that a caller typed, or a tool returned, is replaced by one
private-use character that stands nowhere in the input. The rendered text is then split at the literals that
are left, which are the template's own, and each hidden one is put back inside the piece it stands in, where
a tokenizer without added vocabulary reads it as plain text.

A few more private-use characters are kept free, to bracket each caller's string with its owner's number
(see `duihua.prompt.layout`).
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from duihua.errors import InvalidMessages
from duihua.messages import Message

__all__ = ["Guard", "Literals", "private_characters"]

# The private-use areas: of the basic plane first, because its characters keep Python strings small.
_AREAS: Final = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE), range(0x100000, 0x10FFFE))
_PRIVATE: Final = re.compile("[\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd]")
_DIGITS: Final = 16
_STRETCH: Final = 2**20  # characters that are searched at once


class Literals:
    """The literals of a model's control tokens, as one pattern."""

    def __init__(self, literals: Iterable[str]) -> None:
        self.all = tuple(sorted(set(literals), key=lambda text: (-len(text), text)))
        self._pattern = re.compile("|".join(map(re.escape, self.all)) or r"(?!)")
        self.find = self._pattern.finditer
        self._longest = max(map(len, self.all), default=0)
        self.split = re.compile(f"({self._pattern.pattern})").split

    def occurs_in(self, text: str) -> re.Match[str] | None:
        """The first literal in a text; a long one is searched part by part, so that other threads come to run."""
        for start in range(0, len(text), _STRETCH):
            match = self._pattern.search(text, start, start + _STRETCH + self._longest)
            if match is not None and match.start() < start + _STRETCH:
                return match
        return None

    def replace(self, text: str, marks: Mapping[str, str]) -> str:
        """Put each literal's mark in its place, the longest literal first."""
        return self._pattern.sub(lambda match: marks[match[0]], text)


class Guard:
    """Hides control literals behind marks, and knows which private characters it may use.

    A guard is made for inputs that hold none of its marks: `clashes_with` tells, and `avoiding` makes
    another one. Its marks stay the same for its life, so guarded texts can be cached.

    Attributes:
        end: one more such character, which marks where a text ends; it is no white space.
    """

    def __init__(self, literals: Literals, *, avoid: frozenset[str] = frozenset()) -> None:
        self._literals = literals
        self._avoid = avoid
        characters = _free_characters(len(literals.all) + 3 + _DIGITS, avoid)
        self._opening, self._closing, self.end, *rest = characters
        self._digits = "".join(rest[:_DIGITS])
        self._marks = dict(zip(literals.all, rest[_DIGITS:], strict=True))
        self._originals = {mark: literal for literal, mark in self._marks.items()}
        self._marked = re.compile(f"[{''.join(self._originals)}]") if self._originals else re.compile(r"(?!)")
        self._brackets = re.compile(f"{self._opening}([{self._digits}]+)|{self._closing}")
        self._used = frozenset(characters)

    def clashes_with(self, private: Iterable[str]) -> bool:
        """Whether one of these private characters is a mark of ours."""
        return not self._used.isdisjoint(private)

    def avoiding(self, private: Iterable[str]) -> Guard:
        """A guard of the same literals whose marks are none of these."""
        return Guard(self._literals, avoid=self._avoid | frozenset(private))

    def hide(self, text: str) -> str:
        """The text with each control literal behind its mark."""
        return self._literals.replace(text, self._marks) if self._literals.occurs_in(text) else text

    def restore(self, text: str) -> str:
        """The text as the caller wrote it."""
        return self._marked.sub(lambda match: self._originals[match[0]], text)

    def hides_in(self, text: str) -> bool:
        """Whether a hidden literal stands in this text."""
        return self._marked.search(text) is not None

    def escaped_in(self, text: str) -> str | None:
        """The literal whose mark a template wrote as a JSON escape, if there is one."""
        if "\\u" not in text:
            return None
        for mark, literal in self._originals.items():
            if json.dumps(mark)[1:-1] in text:
                return literal
        return None

    def bracket(self, text: str, owner: int) -> str:
        """The text between marks that say whose it is; they stand inside its outer white space.

        A template that trims contents then renders the same text with and without them.
        """
        core = text.strip()
        if not core:
            return text
        start = text.index(core)
        end = start + len(core)
        number = "".join(self._digits[int(digit, 16)] for digit in f"{owner:x}")
        return f"{text[:start]}{self._opening}{number}{core}{self._closing}{text[end:]}"

    def unbracket(self, text: str) -> str:
        """The text with every bracket taken out."""
        return self._brackets.sub("", text)

    def owners(self, text: str) -> list[tuple[int, int, int]]:
        """(owner, start, end) of each bracketed stretch, in positions of the text without brackets.

        Raises:
            ValueError: the brackets do not pair: the template tore the text apart.
        """
        found: list[tuple[int, int, int]] = []
        current: tuple[int, int] | None = None
        taken_out = 0
        for match in self._brackets.finditer(text):
            position = match.start() - taken_out
            taken_out += len(match[0])
            if match[1] is not None and current is None:
                current = (int("".join(f"{self._digits.index(digit):x}" for digit in match[1]), 16), position)
            elif match[1] is None and current is not None:
                found.append((*current, position))
                current = None
            else:
                raise ValueError("brackets do not pair")
        if current is not None:
            raise ValueError("a bracket is left open")
        return found

    def opens_last(self, text: str) -> bool | None:
        """Whether the last bracket in this text opens; None where there is none."""
        opened, closed = text.rfind(self._opening), text.rfind(self._closing)
        return None if opened == closed else opened > closed

    def hidden_in(self, text: str) -> str | None:
        """The first literal hidden in this text."""
        match = self._marked.search(text)
        return None if match is None else self._originals[match[0]]

    def text(self, text: str, owner: int | None) -> str:
        """A string guarded; an owner also brackets it."""
        hidden = self.hide(text)
        return hidden if owner is None else self.bracket(hidden, owner)

    def value(self, value: Any, owner: int | None = None, *, keys: bool = False) -> Any:
        """A JSON-like value with every string in it guarded; an owner also brackets them.

        Keys are guarded too. They are bracketed only where `keys` says so: templates ask for those they know.
        """
        if isinstance(value, str):
            return self.text(value, owner)
        if isinstance(value, Mapping):
            items = cast("Mapping[Any, Any]", value).items()
            key_owner = owner if keys else None
            return {
                self.text(k, key_owner) if isinstance(k, str) else k: self.value(item, owner, keys=keys)
                for k, item in items
            }
        if isinstance(value, list | tuple):
            return [self.value(item, owner, keys=keys) for item in cast("Sequence[Any]", value)]
        return value

    def content(self, message: Message, owner: int | None = None) -> str | list[dict[str, str]]:
        """What a message says as templates expect it: a string, or parts where it has pictures.

        Source: https://huggingface.co/docs/transformers/main/chat_templating_multimodal.
        """
        if not message.images:
            return self.text(message.content, owner)
        return [
            {"type": "text", "text": self.text(part, owner)} if isinstance(part, str) else {"type": "image"}
            for part in message.parts
        ]

    def message(self, message: Message, owner: int | None = None) -> dict[str, Any]:
        """A message as templates expect it, its strings guarded; an owner also brackets them."""
        result: dict[str, Any] = {"role": message.role, "content": self.content(message, owner)}
        if message.reasoning:
            result["reasoning_content"] = self.text(message.reasoning, owner)
        if message.tool_calls:
            result["tool_calls"] = [
                {
                    "id": self.text(call.id, owner),
                    "type": "function",
                    "function": {
                        "name": self.text(call.name, owner),
                        "arguments": self.value(_arguments(call.arguments), owner, keys=True),
                    },
                }
                for call in message.tool_calls
            ]
        if message.tool_call_id is not None:
            result["tool_call_id"] = self.text(message.tool_call_id, owner)
        if message.name is not None:
            result["name"] = self.text(message.name, owner)
        return result


def private_characters(value: Any) -> set[str]:
    """Every private-use character in a string, a message, or a JSON-like value of them."""
    if isinstance(value, str):
        return set() if value.isascii() else set(_PRIVATE.findall(value))
    if isinstance(value, Message):
        calls = [part for call in value.tool_calls for part in (call.id, call.name, _arguments(call.arguments))]
        return private_characters([value.content, value.reasoning, value.name, value.tool_call_id, *calls])
    if isinstance(value, Mapping):
        return private_characters(list(cast("Mapping[Any, Any]", value).items()))
    if isinstance(value, list | tuple):
        return set[str]().union(*map(private_characters, cast("Sequence[Any]", value)))
    return set()


def _arguments(text: str) -> Any:
    """A call's arguments as the mapping templates expect; no text means none, other text that is no object stays."""
    if not text.strip():
        return {}
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) else text


def _free_characters(count: int, avoid: frozenset[str]) -> list[str]:
    for area in _AREAS:
        free = [chr(code) for code in area if chr(code) not in avoid]
        if len(free) >= count:
            start = secrets.randbelow(len(free) - count + 1)
            return free[start : start + count]
    raise InvalidMessages("the text uses up every private-use character of Unicode: it cannot be guarded")
