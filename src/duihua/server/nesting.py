"""How deep a value of a request may nest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from duihua.server.decoding import WrongField

__all__ = ["DEEPEST", "check_depth"]

DEEPEST: Final = 64  # levels of a value that templates read


def check_depth(name: str, value: object) -> None:
    """Refuse a value that nests deeper than templates can follow.

    Raises:
        WrongField: it does; names the field.
    """
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise WrongField(name, f"it nests deeper than {DEEPEST} levels")


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
