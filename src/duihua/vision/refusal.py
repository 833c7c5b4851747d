"""The one way a picture is refused."""

from __future__ import annotations

from typing import Literal

from duihua.errors import InvalidImage

__all__ = ["Why", "refusal"]

Why = Literal[
    "kind",
    "bytes",
    "pixels",
    "side",
    "truncated",
    "time",
    "count",
    "total",
    "missing",
    "url",
    "scheme",
    "address",
    "redirects",
    "status",
    "connection",
]
"""What is wrong with a picture, for programs; `duihua.vision` says what each word means."""


def refusal(why: Why, message: str, name: str = "") -> InvalidImage:
    """The error, for the caller to raise."""
    return InvalidImage(message, why=why, name=name)
