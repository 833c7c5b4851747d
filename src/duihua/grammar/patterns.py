"""Regular expressions: which constructs are honoured, and how a JSON string's pattern is written for xgrammar.

Found by trying xgrammar 0.2.8 with texts that do not match: it passes over lookaheads and anchors in the middle with no
more than a line in its log; in JSON strings it writes a quote raw, and reads `(b[0-9]{1,2})?` wrongly where a pattern
is plain ASCII. It reads the others as rules, rightly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from duihua.errors import InvalidParameter, UnsupportedFeature

__all__ = ["check_regex", "json_pattern"]

_MOST_REPEATS: Final = 1000  # all bounds together
_TOKENS: Final = re.compile(
    r"(?P<escape>\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|.))"
    r"|\[(?P<negated>\^?)(?P<set>(?:\\.|[^\]\\])(?:\\.|[^\]\\])*)\]"
    r"|\((?P<group>\?(?:P?<(?![=!])\w+>|.{0,2})|)"
    r"|(?P<repeat>[*+?]\??|\{(?P<least>\d*),?(?P<most>\d*)\}\??)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_ESCAPES: Final = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_CLASSES: Final = "dws"
_NARROWED: Final = "DWS"  # what they leave out differs between dialects
_CONTROLS: Final = "nrtfv"
_BLANK: Final = r"\s\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"  # of ECMAScript and Python
_NOT_IN_JSON: Final = r"\x00-\x1f\"\\\ud800-\udfff"
_NOTHING: Final = "é{0}"  # keeps a pattern from being plain ASCII


def check_regex(pattern: str) -> None:
    """Refuse a regular expression that would not be followed to the letter.

    Raises:
        InvalidParameter: no regular expression, or too large.
        UnsupportedFeature: a construct that grammars have not; names it.
    """
    for _ in _tokens(pattern, "regex"):
        pass


def json_pattern(pattern: str) -> str:
    """A pattern for the content of a JSON string, as it is written for xgrammar; narrower where dialects differ.

    Raises:
        InvalidParameter, UnsupportedFeature: see `check_regex`; also a quote, a backslash or a control character, which
            would have to be escaped.
    """
    tokens = [_narrowed(token, pattern) for token in _tokens(pattern, "pattern")]
    return f"(?:{''.join(tokens)}){_NOTHING}"


def _tokens(pattern: str, name: str) -> Iterator[re.Match[str]]:
    repeats, depth = 0, 0
    for token in _TOKENS.finditer(pattern):
        for escape in _ESCAPES.findall(token["escape"] or token["set"] or ""):
            _check_escape(escape, pattern, name)
        if token["group"] and not re.match(r"\?(?::|P?<(?![=!])\w+>)", token["group"]):
            raise UnsupportedFeature(f"({token['group']} in {name} {pattern!r}", "only plain groups and (?: are known")
        if token["least"] is not None:
            repeats += _repeat(token, pattern, name)
        if token["other"] is not None:
            _check_other(token, pattern, name)
        depth += (token["group"] is not None) - (token["other"] == ")")
        yield token
    if depth:
        raise InvalidParameter(name, pattern, "its parentheses do not match")
    if repeats > _MOST_REPEATS:
        raise InvalidParameter(name, pattern[:40], f"its {{m,n}} add up to {repeats:,}: {_MOST_REPEATS:,} at most")


def _repeat(token: re.Match[str], pattern: str, name: str) -> int:
    if not token["least"]:
        raise InvalidParameter(name, pattern, "write {0,n} for at most n, and \\{ for a brace")
    return min(max(int(token["least"]), int(token["most"] or 0)), 10 * _MOST_REPEATS)


def _check_escape(escape: str, pattern: str, name: str) -> None:
    letter = escape[1:]
    if len(letter) == 1 and letter.isalnum() and letter not in _CLASSES + _NARROWED + _CONTROLS:
        raise UnsupportedFeature(f"{escape} in {name} {pattern!r}", "no grammar has it")


def _check_other(token: re.Match[str], pattern: str, name: str) -> None:
    other, at_start, at_end = token["other"], token.start() == 0, token.end() == len(pattern)
    if (other == "^" and not at_start) or (other == "$" and not at_end):
        raise UnsupportedFeature(f"{other} within {name} {pattern!r}", "the whole text is matched: leave it out")
    if other in ("[", "\x00"):
        raise InvalidParameter(name, pattern, "it is no regular expression")


def _narrowed(token: re.Match[str], pattern: str) -> str:
    written, inside = token[0], token["set"]
    if inside is not None:
        return _narrowed_set(inside, pattern, is_negated=bool(token["negated"]))
    if token["escape"] is not None:
        if written[1:] == "S":
            return f"[^{_BLANK}{_NOT_IN_JSON}]"
        if written[1:] == "s":
            return " "
        if written[1:] in ("D", "W"):
            raise UnsupportedFeature(f"{written} in pattern {pattern!r}", _DIALECTS)
        _check_raw(_character(written), pattern)
        return written
    if token["repeat"] is not None:
        bare = written if written in ("?", "*", "+") else written.removesuffix("?")
        return "{0,1}" if bare == "?" else bare
    if token["other"] == ".":
        return f"[^{_NOT_IN_JSON}\\u2028\\u2029\\u0085]"
    if token["other"] in ("^", "$"):
        return ""
    if token["other"] is not None:
        _check_raw(written, pattern)
    return written


def _narrowed_set(inside: str, pattern: str, *, is_negated: bool) -> str:
    for escape in re.findall(r"\\.", inside, re.DOTALL):
        if escape[1] in (*_NARROWED, *(("d", "w") if is_negated else ())):
            raise UnsupportedFeature(f"{escape} in [...] of pattern {pattern!r}", _DIALECTS)
    if is_negated:
        return f"[^{inside.replace(chr(92) + 's', _BLANK)}{_NOT_IN_JSON}]"
    inside = inside.replace("\\s", " ")
    for part in re.findall(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|.)|.", inside, re.DOTALL):
        _check_raw(_character(part), pattern)
    if not re.search(r"(?<=.)-(?=.)", inside):
        return f"[{inside}]"
    return _without_quotes(inside, pattern)


def _without_quotes(inside: str, pattern: str) -> str:
    """A set with ranges; one over a quote or a backslash is refused, for it would match them raw."""
    try:
        reads = re.compile(f"[{inside}]")
    except (re.error, FutureWarning) as error:
        raise InvalidParameter("pattern", pattern, f"it is no regular expression ({error})") from error
    if not any(reads.fullmatch(character) for character in ('"', "\\", "\x01", "\n")):
        return f"[{inside}]"
    if re.fullmatch(r"[ !]-[~\u0080-\U0010ffff]", inside):
        return f"[{inside[0]}!#-\\[\\]-{inside[2]}]"
    raise UnsupportedFeature(f"[{inside}] in pattern {pattern!r}", _WOULD_ESCAPE)


_DIALECTS: Final = "dialects read it differently: write the characters out"
_WOULD_ESCAPE: Final = "it holds a quote, a backslash or a control character, which JSON escapes: leave them out"


def _character(part: str) -> str:
    if part[:1] != "\\" or len(part) < 2:
        return part
    if len(part) > 2:
        return chr(int(part[2:], 16))
    return {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}.get(
        part[1], part[1] if not part[1].isalnum() else ""
    )


def _check_raw(character: str, pattern: str) -> None:
    if character and (character in '"\\' or character < " "):
        raise UnsupportedFeature(f"pattern {pattern!r}", _WOULD_ESCAPE)
