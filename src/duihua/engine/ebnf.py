"""A grammar as rules of xgrammar, the same for every engine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from duihua.errors import InvalidParameter, RequestError, UnsupportedFeature
from duihua.grammar import Grammar, lowered

if TYPE_CHECKING:
    import xgrammar

__all__ = ["ebnf_of", "import_xgrammar", "reason_of"]

# Places in which xgrammar 0.2.8 makes rules that are too wide. Characters in strings may be halves of a surrogate pair,
# which no UTF-8 has, raw or as an escape without the other half. A string between two lengths may hold raw control
# characters, which are no JSON; here it may not, and may hold the short escapes, one character each.
_RAW: Final = re.compile(r'^(\w+ ::= )\(\(\[\^\\"\\\\\\r\\n\]\)\)$', re.MULTILINE)
_ESCAPED: Final = r'\1(([^\\0-\\x1f\\"\\\\\\ud800-\\udfff]) | ("\\\\" [\\"\\\\/bfnrt]))'
_ESCAPE: Final = re.compile(r"^basic_escape ::= .*$", re.MULTILINE)
_HEX: Final = "[A-Fa-f0-9]"
_WHOLE_ESCAPE: Final = (
    rf'basic_escape ::= (([\"\\/bfnrt]) | ("u" [A-CE-Fa-ce-f0-9] {_HEX} {_HEX} {_HEX}) | ("u" [Dd] [0-7] {_HEX} {_HEX})'
    rf' | ("u" [Dd] [89ABab] {_HEX} {_HEX} "\\u" [Dd] [C-Fc-f] {_HEX} {_HEX}))'
)
# A key that was not declared may be a declared one in escapes: it has none before it differs from all of those.
_ANY: Final = r"[^\0-\x1f\"\\\r\n"
_SHORT: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\x([0-9a-f]{2})")
_KEY: Final = re.compile(r"^\w*_addl_key\w* ::= .*$", re.MULTILINE)
_KEY_ESCAPE: Final = ' | ("\\\\" basic_escape basic_string_sub)'


def import_xgrammar() -> Any:
    """The library that follows grammars.

    Raises:
        UnsupportedFeature: it is not installed; says how to.
    """
    try:
        import xgrammar
    except ImportError as error:
        raise UnsupportedFeature(
            "an answer in a given form", f"xgrammar cannot be imported ({error}): pip install 'xgrammar>=0.2.8,<0.3'"
        ) from error
    return xgrammar


def ebnf_of(grammar: Grammar) -> str:
    """Its rules, `root` among them. Takes milliseconds, for the largest tenths of a second, so call it in a thread.

    JSON is on one line, with a space behind each comma and colon, as most of what models have read.

    Raises:
        InvalidParameter: xgrammar does not take it; says why.
        UnsupportedFeature: see `import_xgrammar`.
    """
    outcome = _ebnf_of(grammar)
    if isinstance(outcome, RequestError):
        raise outcome.with_traceback(None)
    return outcome


@lru_cache(maxsize=64)
def _ebnf_of(grammar: Grammar) -> str | RequestError:
    xgrammar = import_xgrammar()
    try:
        return _RULES[grammar.kind](xgrammar.Grammar, grammar)
    except RuntimeError as error:
        return InvalidParameter(grammar.kind, grammar.text[:80], reason_of(error))


def reason_of(error: Exception) -> str:
    """What xgrammar says, without the place in its own code."""
    lines = str(error).strip().splitlines()
    return re.sub(r"^\[[\d:]+\] \S+: ", "", lines[-1] if lines else type(error).__name__).strip()


def _of_schema(library: type[xgrammar.Grammar], grammar: Grammar) -> str:
    schema = {"type": "object"} if grammar.kind == "json_object" else lowered(grammar.text)
    rules = str(library.from_json_schema(json.dumps(schema), any_whitespace=False))
    rules = _RAW.sub(_ESCAPED, rules).replace(_ANY, _ANY + r"\ud800-\udfff")
    rules = _ESCAPE.sub(lambda _: _WHOLE_ESCAPE, rules)
    return _read_back(_KEY.sub(lambda line: line[0].replace(_KEY_ESCAPE, ""), rules))


def _of_regex(library: type[xgrammar.Grammar], grammar: Grammar) -> str:
    return _read_back(str(library.from_regex(grammar.text)))


def _read_back(rules: str) -> str:
    """Rules as xgrammar reads them: it writes "éa" with two hexadecimal digits, and would read three of them there."""
    return _SHORT.sub(r"\1\\u00\2", rules)


def _of_choice(_: type[xgrammar.Grammar], grammar: Grammar) -> str:
    return "root ::= " + " | ".join(f'"{_escaped(text)}"' for text in grammar.choices)


def _of_rules(library: type[xgrammar.Grammar], grammar: Grammar) -> str:
    library.from_ebnf(grammar.text)
    return grammar.text


_RULES: Final[dict[str, Callable[[Any, Grammar], str]]] = {
    "json_schema": _of_schema,
    "json_object": _of_schema,
    "regex": _of_regex,
    "choice": _of_choice,
    "ebnf": _of_rules,
}


def _escaped(text: str) -> str:
    return "".join(
        f"\\u{ord(character):04x}" if character < " " or character in '"\\\x7f' else character for character in text
    )
