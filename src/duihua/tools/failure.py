"""What a tool raised, in words for the model."""

from __future__ import annotations

from typing import Final

from duihua.errors import ToolFailed

__all__ = ["failure_of"]

_LONGEST_NAME: Final = 80  # characters of an error's name that are told


def failure_of(error: BaseException) -> ToolFailed:
    """Its name and what it says, if it can say that: errors of others may fail to."""
    try:
        said = str(error)
    except BaseException:  # noqa: BLE001  it is told as it is, whatever it does
        said = ""
    name = type(error).__name__[:_LONGEST_NAME]
    return ToolFailed(f"{name}: {said}" if said else name)
