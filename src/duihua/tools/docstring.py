"""What a docstring says of a function and of each argument: Google's, numpy's and Sphinx's way of writing it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Docstring", "read_docstring"]

_ARGUMENTS: Final = {
    "args",
    "arguments",
    "parameters",
    "params",
    "keyword args",
    "keyword arguments",
    "other parameters",
}
_OTHERS: Final = {
    "attributes", "example", "examples", "note", "notes", "raises", "references", "return", "returns", "see also",
    "todo", "warning", "warnings", "warns", "yield", "yields",
}  # fmt: skip
_GOOGLE: Final = re.compile(r"\*{0,2}(?P<name>\w+)\s*(?:\([^)]*\))?\s*:(?:\s+(?P<text>.*)|$)")
_NUMPY: Final = re.compile(r"(?P<names>\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")
_SPHINX: Final = re.compile(r":(?P<field>\w+)(?:\s+(?P<what>[^:]*))?:\s*(?P<text>.*)")
_SPHINX_ARGUMENTS: Final = {"param", "parameter", "arg", "argument", "key", "keyword"}


@dataclass(slots=True)
class Docstring:
    """A docstring, taken apart."""

    description: str = ""  # all that stands before the first section
    arguments: dict[str, str] = field(default_factory=dict[str, str])  # by name, each on one line


def read_docstring(text: str | None) -> Docstring:
    """Take a docstring apart; None gives an empty one."""
    lines = inspect.cleandoc(text or "").splitlines()
    start = next((index for index in range(len(lines)) if _begins_section(lines, index)), len(lines))
    found = Docstring("\n".join(lines[:start]).strip())
    index = start
    while index < len(lines):
        end = next((at for at in range(index + 1, len(lines)) if _begins_section(lines, at)), len(lines))
        _read_section(lines[index:end], found.arguments)
        index = end
    return found


def _begins_section(lines: Sequence[str], index: int) -> bool:
    line = lines[index]
    title = line.strip().removesuffix(":").lower()
    if line[:1] == ":":
        return _SPHINX.fullmatch(line) is not None
    if line[:1].isspace() or title not in _ARGUMENTS | _OTHERS:
        return False
    return line.rstrip().endswith(":") or _is_rule(lines, index + 1)


def _is_rule(lines: Sequence[str], index: int) -> bool:
    return index < len(lines) and re.fullmatch(r"-{3,}", lines[index].strip()) is not None


def _read_section(lines: Sequence[str], arguments: dict[str, str]) -> None:
    sphinx = _SPHINX.fullmatch(lines[0]) if lines[0][:1] == ":" else None
    if sphinx is not None:
        words = (sphinx["what"] or "").split()
        if sphinx["field"] in _SPHINX_ARGUMENTS and words:
            arguments[words[-1].lstrip("*")] = _joined([sphinx["text"], *lines[1:]])
    elif lines[0].strip().removesuffix(":").lower() in _ARGUMENTS:
        is_numpy = _is_rule(lines, 1)
        _read_items(lines[2 if is_numpy else 1 :], _NUMPY if is_numpy else _GOOGLE, arguments)


def _read_items(lines: Sequence[str], item: re.Pattern[str], arguments: dict[str, str]) -> None:
    """The items of a section: each begins at the left edge of the section, and what is indented below belongs to it."""
    edge = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    names: list[str] = []
    for line in lines:
        begun = item.fullmatch(line.strip()) if line[edge : edge + 1].strip() else None
        if begun is not None:
            parts = begun.groupdict()
            names = [name.strip().lstrip("*") for name in (parts.get("names") or parts["name"]).split(",")]
        for name in names:
            text = (begun.groupdict().get("text") or "") if begun is not None else line
            arguments[name] = _joined([arguments.get(name, "") if begun is None else "", text])


def _joined(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines).split())
