"""The refusals of prompts that are too long, with their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from duihua.errors import ContextOverflow
from duihua.prompt.exchanges import Parted
from duihua.prompt.memo import characters_of
from duihua.prompt.prompt import Owner, Prompt

__all__ = ["far_overflow", "fixed_overflow", "overflow"]


def overflow(
    parted: Parted, indices: Sequence[int], prompt: Prompt, *, limit: int, size: int, wider: str
) -> ContextOverflow:
    """What must stay is too long.

    Args:
        indices: of the prompt's messages among the conversation's.
        limit: tokens that a prompt may have, of a window of `size`.
        wider: how the limit is raised.
    """
    names = [_part_of(parted, index) for index in indices]
    parts = {"system": 0, "tools": 0, "pinned turns": 0, "earlier turns": 0, "last turn": 0, "template": 0}
    for span in prompt.spans:
        parts[_name(span.owner, names)] += prompt.tokens_in(span)
    return ContextOverflow(
        prompt_tokens=prompt.length,
        limit=limit,
        context_window=size,
        parts={name: tokens for name, tokens in parts.items() if tokens},
        cure=f"shorten it, or {wider}",
    )


def fixed_overflow(lead: int, prompt: Prompt, *, limit: int, size: int, wider: str) -> ContextOverflow:
    """What leads a conversation leaves no room for a turn.

    Args:
        lead: how many messages lead it.
        prompt: of these and one more.
    """
    parts = {"system": 0, "tools": 0, "template": 0}
    for span in prompt.spans:
        if span.owner != lead:
            parts[_name(span.owner, ["system"] * lead)] += prompt.tokens_in(span)
    tokens = sum(parts.values())
    return ContextOverflow(
        prompt_tokens=max(tokens, limit + 1),
        limit=limit,
        context_window=size,
        parts={name: tokens for name, tokens in parts.items() if tokens},
        cure=f"nothing of this can be dropped: shorten it, or {wider}",
        is_least=tokens <= limit,
    )


def far_overflow(
    parted: Parted, tools: Sequence[Mapping[str, object]], *, limit: int, size: int, wider: str
) -> ContextOverflow:
    """So much is too long that it was not counted to its end."""
    characters = {"the tools": len(str(tools)) if tools else 0, "system messages": sum(map(characters_of, parted.lead))}
    last = parted.exchanges[-1].start
    for index, message in enumerate(parted.messages[len(parted.lead) :], len(parted.lead)):
        name = "the last turn" if index >= last else "earlier turns"
        characters[name] = characters.get(name, 0) + characters_of(message)
    return ContextOverflow(
        prompt_tokens=limit + 1,
        limit=limit,
        context_window=size,
        cure=f"most of it is in {max(characters, key=lambda name: characters[name])}: shorten that, or {wider}",
        is_least=True,
    )


def _part_of(parted: Parted, index: int) -> str:
    if index < len(parted.lead):
        return "system"
    if index >= parted.exchanges[-1].start:
        return "last turn"
    return "pinned turns" if index in parted.pinned else "earlier turns"


def _name(owner: Owner, names: Sequence[str]) -> str:
    return names[owner] if isinstance(owner, int) else owner
