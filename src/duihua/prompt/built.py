"""A prompt that was built, and what another one can take over from it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from duihua.prompt.layout import Layout
from duihua.prompt.literals import Guard
from duihua.prompt.prompt import Owner, Prompt, Span
from duihua.request import PlacedImage

__all__ = ["Built", "clean_seams", "prompt_of", "shared_messages", "shared_text", "token_positions"]


@dataclass(frozen=True, slots=True)
class Built:
    """A prompt that was built, and all that is needed to build on it."""

    messages: tuple[Hashable, ...]  # by what caches know them by
    key: Hashable
    guard: Guard
    layout: Layout
    token_ids: tuple[int, ...]
    token_seams: tuple[int, ...]  # the layout's seams, in tokens
    token_tools: tuple[int, int] | None
    clean: tuple[bool, ...]  # whether a seam lies beside a control token: what follows is pieces of its own


def prompt_of(built: Built, images: tuple[PlacedImage, ...] = ()) -> Prompt:
    """The prompt itself, with the pictures in it."""
    return Prompt(
        token_ids=built.token_ids,
        spans=tuple(_spans(built)),
        images=images,
        guarded_text=built.layout.text,
        guard=built.guard,
    )


def _spans(built: Built) -> list[Span]:
    """The owners of all ids, in order, empty ones left out."""
    seams, total = built.token_seams, len(built.token_ids)
    owners: list[Owner] = ["template", *range(len(seams) - 1), "template"]
    spans = list(map(Span._make, zip(owners, (0, *seams), (*seams, total), strict=True)))
    if len(set(seams)) < len(seams) or seams[0] == 0 or seams[-1] == total:
        spans = [span for span in spans if span.end > span.start]
    return spans if built.token_tools is None else _with_tools(spans, *built.token_tools)


def _with_tools(spans: list[Span], start: int, end: int) -> list[Span]:
    result: list[Span] = []
    for span in spans:
        first, last = max(start, span.start), min(end, span.end)
        if first >= last:
            result.append(span)
            continue
        parts = (Span(span.owner, span.start, first), Span("tools", first, last), Span(span.owner, last, span.end))
        result += [part for part in parts if part.end > part.start]
    return result


def shared_messages(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """How many messages two conversations share from the start; the same objects compare at once."""
    count = min(len(left), len(right))
    if count and left[0] != right[0]:
        return 0  # two conversations, mostly
    if left[:count] == right[:count]:
        return count
    return next((i for i in range(count) if left[i] is not right[i] and left[i] != right[i]), count)


def shared_text(base: Built, messages: Sequence[Hashable], text: str) -> int:
    """How many of the base's messages stand in this text, to the letter, with a clean seam after them."""
    low, high = 0, min(shared_messages(base.messages, messages), len(messages) - 1)
    if text.startswith(base.layout.text[: base.layout.seams[high]]):
        low = high
    while low < high:
        middle = (low + high + 1) // 2
        if text.startswith(base.layout.text[: base.layout.seams[middle]]):
            low = middle
        else:
            high = middle - 1
    while low and not base.clean[low]:
        low -= 1
    return low


def clean_seams(borders: list[tuple[int, int]], seams: Sequence[int]) -> tuple[bool, ...]:
    """Whether pieces meet at each seam; the end of the text is such a place where a control token stands there."""
    meeting = {position for position, _ in borders[:-1]}
    return tuple(seam in meeting for seam in seams)


def token_positions(borders: list[tuple[int, int]], positions: Sequence[int]) -> list[int] | None:
    """Token positions of characters that all are piece borders; None where one is not."""
    lookup = dict(borders)
    lookup[0] = 0
    found = [lookup.get(position) for position in positions]
    return None if None in found else [position for position in found if position is not None]
