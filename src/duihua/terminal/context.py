"""`/context`: what the model will see next, and what each part of it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from duihua.chat.protocol import Explanation, Part
from duihua.terminal.output import Style
from duihua.terminal.pictures import said_line
from duihua.terminal.session import Session
from duihua.terminal.texts import Say

__all__ = ["context_rows", "raw_pieces", "show_context"]

_BAR: Final = 20  # characters


async def show_context(session: Session, argument: str) -> None:
    """Show the prompt as it would be if the model were to answer now: a table, or the exact text."""
    say, output = session.say, session.output
    if argument not in ("", "raw"):
        output.note(say("context_usage"))
    elif not (messages := session.conversation.context):
        output.note(say("context_empty"))
    elif argument == "raw":
        output.marked(raw_pieces(session.conversation.explain()))
    else:
        explanation, system = session.conversation.explain(), session.conversation.system
        words = [*([system] if system else []), *(said_line(say, message) for message in messages)]
        window = explanation.window
        if window.dropped_exchanges:
            output.note(say("context_dropped", count=window.dropped_exchanges, tokens=window.dropped_tokens))
        output.table(list(context_rows(say, explanation, words)), right=(1,), wrap=False)
        used, size = window.prompt_tokens, window.context_window
        output.note(say("context_total", used=used, limit=window.limit, window=size, reserve=window.reserve))


def context_rows(say: Say, explanation: Explanation, words: Sequence[str]) -> Iterator[list[str]]:
    """(who, tokens, bar, first words) of each owner in the prompt, in order; the template comes last.

    Args:
        words: what each message says, the system prompt's first.
    """
    owners: dict[str, list[Part]] = {}
    for part in explanation.parts:
        owners.setdefault(part.owner, []).append(part)
    owners["template"] = owners.pop("template", [])
    for owner, parts in owners.items():
        tokens = sum(part.tokens for part in parts)
        if tokens:
            role, index = parts[0].role, owner.rpartition(" ")[2]
            who = say(f"role_{role}") if role else say(f"owner_{owner}")
            text = words[int(index)] if role else "".join(part.text for part in parts)
            yield [who, f"{tokens:,}", _bar(tokens, explanation.window.limit), " ".join(text.split())]


def raw_pieces(explanation: Explanation) -> Iterator[tuple[str, Style]]:
    """The exact prompt; what the template wrote stands out from what was said."""
    whole = "".join(part.text for part in explanation.parts)
    if whole != explanation.text:  # a tokenizer whose tokens do not read alone
        yield explanation.text, "plain"
        return
    for part in explanation.parts:
        yield part.text, "mark" if part.role is None else "plain"


def _bar(tokens: int, limit: int) -> str:
    filled = min(_BAR, -(-_BAR * tokens // max(limit, 1)))
    return "#" * filled + "." * (_BAR - filled)
