"""What an answer is made of."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CallArguments", "CallBegun", "CallEnded", "Content", "Part", "Reasoning"]


class Content(NamedTuple):
    """Words for the reader."""

    text: str


class Reasoning(NamedTuple):
    """Thinking."""

    text: str


class CallBegun(NamedTuple):
    """A call whose name is known."""

    number: int  # of the call in its answer
    name: str


class CallArguments(NamedTuple):
    """More of a call's arguments, as JSON text."""

    number: int
    text: str


class CallEnded(NamedTuple):
    """A call that is complete; its arguments are the JSON text of an object."""

    number: int
    name: str
    arguments: str


Part = Content | Reasoning | CallBegun | CallArguments | CallEnded
