"""Python literals where JSON was meant: models write `{'city': 'Paris', 'metric': True}` now and then."""

from __future__ import annotations

import ast
import json
import warnings
from typing import Final

__all__ = ["json_object_of", "python_value"]

_MOST: Final = 100_000  # characters: parsing more would keep others waiting


def python_value(text: str) -> object:
    """The value of a Python literal; Ellipsis, which is no JSON, where the text is none."""
    if len(text) > _MOST:
        return ...
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a backslash that escapes nothing
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return ...


def json_object_of(text: str) -> str:
    """The text of a Python dictionary as JSON; any other text as it is."""
    value = python_value(text)
    if not isinstance(value, dict):
        return text
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return text
