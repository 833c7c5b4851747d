"""What `format` means here: patterns of our own, each within what its standard allows.

The names are those of JSON Schema 2020-12, section 7.3, that a regular expression can hold an answer to. A narrower
pattern keeps every answer valid: days stop at the 28th of February, addresses are plain.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["FORMATS", "HINTS", "Format"]


class Format(NamedTuple):
    """A pattern, and the lengths of the texts that it matches."""

    pattern: str
    shortest: int
    longest: int


_YEAR: Final = "[1-9][0-9]{3}"
_DAY: Final = "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
_DATE: Final = f"{_YEAR}-{_DAY}"
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_BYTE: Final = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_LABEL: Final = "[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?"
_HOST: Final = rf"{_LABEL}(\.{_LABEL}){{0,3}}"
_PATH: Final = "[A-Za-z0-9._~!$&'()*+,;=:@/-]{0,80}"
_QUERY: Final = "(\\?[A-Za-z0-9._~!$&'()*+,;=:@/?-]{0,60})?"

FORMATS: Final[dict[str, Format]] = {
    "date": Format(_DATE, 10, 10),
    "time": Format(_TIME, 9, 21),
    "date-time": Format(f"{_DATE}T{_TIME}", 20, 32),
    "duration": Format("P([0-9]{1,4}W|[0-9]{1,4}D(T[0-9]{1,2}H)?|T[0-9]{1,4}[HMS])", 3, 11),
    "email": Format(rf"[A-Za-z0-9]([A-Za-z0-9_+-]{{0,30}}[A-Za-z0-9])?@{_LABEL}(\.{_LABEL}){{1,2}}", 5, 131),
    "hostname": Format(_HOST, 1, 131),
    "ipv4": Format(rf"{_BYTE}(\.{_BYTE}){{3}}", 7, 15),
    "ipv6": Format("[0-9a-f]{1,4}(:[0-9a-f]{1,4}){7}", 15, 39),
    "uri": Format(f"https?://{_HOST}(/{_PATH})?{_QUERY}", 8, 281),
    "uri-reference": Format(f"/{_PATH}{_QUERY}", 1, 142),
    "json-pointer": Format("(/[A-Za-z0-9_.-]{0,30}){0,10}", 0, 310),
    "uuid": Format("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", 36, 36),
}
HINTS: Final = frozenset({"password", "path", "file-path", "directory-path"})  # say how to show it, not what it is
