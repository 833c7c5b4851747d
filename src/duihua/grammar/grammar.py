"""The value: a kind and a text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.grammar.lowering import lowered
from duihua.grammar.patterns import check_regex

__all__ = ["Grammar", "GrammarKind"]

GrammarKind = Literal["json_schema", "json_object", "regex", "choice", "ebnf"]

_KINDS: Final = ("json_schema", "json_object", "regex", "choice", "ebnf")
_MOST_CHARACTERS: Final = 65_536
_MOST_CHOICES: Final = 4096
# What xgrammar's EBNF knows beside rules (its docs, "Special Grammar Formats"): they name token ids, or switch
# to other grammars in the middle of text.
_MACROS: Final = re.compile(r"\b(TagDispatch|TokenTagDispatch|Token|ExcludeToken|Regex|Substring)\s*\(")
# One that is not closed reaches to the end of its line, so that the next look does not begin inside it.
_LITERALS: Final = re.compile(r'"(?:\\.|[^"\\\n])*(?P<string>")?|\[(?:\\.|[^\]\\\n])*(?P<class>\])?|#[^\n]*')


@dataclass(frozen=True, slots=True)
class Grammar:
    """What an answer must be, from its first character to its last.

    Attributes:
        kind: how the text is read.
        text: a JSON schema ("json_schema"), nothing ("json_object"), a regular expression that the whole answer
            matches ("regex"), a JSON list of the possible answers ("choice"), or rules in xgrammar's EBNF of which
            `root` is the answer ("ebnf").

    Raises:
        InvalidParameter: what is no such text, is larger or deeper than is allowed, or allows no answer.
        UnsupportedFeature: a part of it that no engine could hold an answer to; names it and its place.
    """

    kind: GrammarKind
    text: str = ""

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise InvalidParameter("grammar", self.kind, f"give one of {', '.join(_KINDS)}")
        text: Any = self.text
        if not isinstance(text, str):
            raise InvalidParameter(self.kind, type(text).__name__, "give text")
        if len(text) > _MOST_CHARACTERS:
            raise InvalidParameter(self.kind, f"{len(text):,} characters", f"give {_MOST_CHARACTERS:,} at most")
        check = {"json_schema": lowered, "regex": check_regex, "choice": _choices, "ebnf": _check_ebnf}
        if self.kind in check:
            check[self.kind](text)

    @classmethod
    def json_schema(cls, schema: Mapping[str, Any] | bool) -> Self:  # noqa: FBT001  a schema may be `true`
        """JSON that a schema describes, on one line."""
        try:
            return cls("json_schema", json.dumps(schema, ensure_ascii=False, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidParameter("json_schema", type(schema).__name__, f"it is no JSON ({error})") from error

    @classmethod
    def json_object(cls) -> Self:
        """Any JSON object, on one line."""
        return cls("json_object")

    @classmethod
    def regex(cls, pattern: str) -> Self:
        """A text that the whole of a regular expression matches."""
        return cls("regex", pattern)

    @classmethod
    def choice(cls, texts: Sequence[str]) -> Self:
        """One of these texts."""
        if isinstance(texts, str):
            raise InvalidParameter("choice", texts, _CHOICES)
        return cls("choice", json.dumps(list(texts), ensure_ascii=False))

    @classmethod
    def ebnf(cls, rules: str) -> Self:
        """What the rule `root` describes."""
        return cls("ebnf", rules)

    @property
    def choices(self) -> tuple[str, ...]:
        """The possible answers of a "choice"."""
        return _choices(self.text)


_CHOICES: Final = f"give a list of 1 to {_MOST_CHOICES:,} texts, none of them empty"


def _choices(text: str) -> tuple[str, ...]:
    try:
        texts: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidParameter("choice", text[:40], _CHOICES) from error
    if not isinstance(texts, list) or not 0 < len(texts) <= _MOST_CHOICES:
        raise InvalidParameter("choice", text[:40], _CHOICES)
    for one in texts:
        if not isinstance(one, str) or not one:
            raise InvalidParameter("choice", one, _CHOICES)
    return tuple(texts)


def _check_ebnf(rules: str) -> None:
    bare = _LITERALS.sub(_blank, rules)
    if not re.search(r"(?m)^\s*root\s*::=", bare):
        raise InvalidParameter("ebnf", rules[:40], "give rules, one a line, and among them root ::= ...")
    if macro := _MACROS.search(bare):
        raise UnsupportedFeature(f"{macro[1]}(...) in EBNF", "rules describe text: write it with literals and classes")
    if "\x00" in rules:
        raise InvalidParameter("ebnf", rules[:40], "it holds a NUL character")


def _blank(literal: re.Match[str]) -> str:
    """Nothing, in place of a literal or a comment."""
    if literal[0][0] != "#" and literal["string"] is None and literal["class"] is None:
        raise InvalidParameter("ebnf", literal[0][:40], "it is not closed on its line")
    return " "
