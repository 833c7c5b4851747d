"""Reads answers in a tool-call format, whole and cut, and says briefly what was found."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from duihua.parsing.format import ToolFormat
from duihua.parsing.parts import CallArguments, CallBegun, CallEnded, Content, Part, Reasoning
from duihua.parsing.router import CallRouter, StreamRouter
from duihua.parsing.schemas import ToolSchemas

__all__ = ["TOOLS", "Answer", "Piece", "call", "check", "check_single", "every_cut", "pieces_of", "read", "say", "tool"]

Piece = tuple[str, int | None]
Found = list[tuple[str, ...]]


class Answer(NamedTuple):
    """An answer as a model writes it, and what is found in it."""

    what: str
    text: str
    found: Found
    is_whole: bool = True

    def __str__(self) -> str:
        return self.what


def tool(name: str, required: Sequence[str] = (), **properties: Any) -> dict[str, Any]:
    """A tool's schema in OpenAI's form; a property is a type's name or a schema."""
    schemas = {key: {"type": value} if isinstance(value, str) else value for key, value in properties.items()}
    parameters = {"type": "object", "properties": schemas, "required": list(required)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS: Final = (
    tool("get_weather", ["city"], city="string", days="integer", metric="boolean"),
    tool("get_time"),
    tool("search", query="string", options="object", limit={"anyOf": [{"type": "integer"}, {"type": "null"}]}),
    tool("python", ["code"], code="string"),
    tool("simple_browser", command="string"),
    tool("cogview", ["prompt"], size="string", prompt="string"),
)


def pieces_of(text: str, tokens: Sequence[str], *, hidden: Sequence[str] = ()) -> list[Piece]:
    """The pieces of an answer in which these literals are control tokens; hidden ones show nothing."""
    if not tokens:
        return [(text, None)]
    parted = re.split("(" + "|".join(map(re.escape, tokens)) + ")", text)
    return [
        ("" if part in hidden else part, tokens.index(part)) if part in tokens else (part, None)
        for part in parted
        if part
    ]


def read(
    format_: ToolFormat,
    pieces: Iterable[Piece],
    *,
    tokens: Sequence[str] = (),
    tools: Sequence[dict[str, Any]] = TOOLS,
    is_whole: bool = True,
    is_single: bool = False,
    thinking: bool = False,
) -> Found:
    """What an answer says, briefly: neighbours of one kind are one, calls are told when they begin and end."""
    literals = dict(enumerate(tokens))
    ids = {literal: number for number, literal in literals.items()}
    calls = CallRouter(format_, ToolSchemas(tools), literal_of=literals.get, id_of=ids.get, is_single=is_single)
    router = StreamRouter(ids.get("<think>"), ids.get("</think>"), opened=thinking, calls=calls)
    parts: list[Part] = []
    for text, control in pieces:
        if router.is_over:
            break
        parts += router.push(text, control)
    parts += router.end(is_whole=is_whole)
    return _brief(parts)


def every_cut(pieces: Sequence[Piece]) -> Iterable[list[Piece]]:
    """The same pieces, each text cut into characters, and cut in two at every place."""
    yield [(part, control) for text, control in pieces for part in (text if control is None else [text])]
    for place, (text, control) in enumerate(pieces):
        for cut in range(1, len(text)) if control is None else ():
            yield [*pieces[:place], (text[:cut], None), (text[cut:], None), *pieces[place + 1 :]]


def say(text: str) -> tuple[str, ...]:
    return "say", text


def call(name: str, arguments: str) -> tuple[tuple[str, ...], ...]:
    """A whole call: it begins, its arguments come, it is ready."""
    return ("begin", name), ("arguments", arguments), ("call", name, arguments)


def _brief(parts: Iterable[Part]) -> Found:
    found: Found = []
    for kind, group in itertools.groupby(parts, type):
        same = list(group)
        if kind is Content:
            found.append(("say", "".join(part.text for part in same if isinstance(part, Content))))
        elif kind is Reasoning:
            found.append(("think", "".join(part.text for part in same if isinstance(part, Reasoning))))
        elif kind is CallArguments:
            found.append(("arguments", "".join(part.text for part in same if isinstance(part, CallArguments))))
        else:
            found += [("begin", part.name) for part in same if isinstance(part, CallBegun)]
            found += [("call", part.name, part.arguments) for part in same if isinstance(part, CallEnded)]
    return found


def check(format_: ToolFormat, tokens: Sequence[str], answer: Answer) -> None:
    """An answer is read as it should be: whole, cut in two at every place, character by character."""
    pieces = pieces_of(answer.text, tokens, hidden=[token for token in tokens if token.endswith("|>")])
    for cut in (pieces, *every_cut(pieces)):
        assert read(format_, cut, tokens=tokens, is_whole=answer.is_whole) == answer.found
    calls = [part for part in answer.found if part[0] == "call"]
    shown = read(format_, pieces_of(answer.text, tokens), tokens=tokens, is_whole=answer.is_whole)
    assert [part for part in shown if part[0] == "call"] == calls  # whether special tokens show or not


def check_single(format_: ToolFormat, tokens: Sequence[str], text: str) -> None:
    """Of several calls of `get_time` only the first is read."""
    for cut in every_cut(pieces_of(text, tokens)):
        assert read(format_, cut, tokens=tokens, is_single=True) == [*call("get_time", "{}")]
