"""How a prompt ends: what the answer continues."""

from __future__ import annotations

from dataclasses import dataclass

from duihua.prompt.prompt import Prompt
from duihua.prompt.vocabulary import Vocabulary

__all__ = ["Opening", "opening_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What reading an answer needs to know of the prompt before it."""

    prompt_tokens: int
    opener: str = ""  # the last control literal of the prompt
    tail: str = ""  # the text after it, and its ids
    tail_ids: tuple[int, ...] = ()
    owed: str = ""  # white space that the template writes before an answer but leaves to the model to begin
    reasoning_open: int | None = None  # ids of the tags around thinking
    reasoning_close: int | None = None
    is_reasoning: bool = False  # the prompt ends inside thinking
    begun: tuple[int, ...] = ()  # the last id of an answer that the prompt began and that goes on


def opening_of(
    prompt: Prompt,
    vocabulary: Vocabulary,
    *,
    owed: str = "",
    reasoning: tuple[str, str] | None = None,
    is_begun: bool = False,
) -> Opening:
    """Read a prompt's end.

    Args:
        owed: see `PromptEncoder.owed`.
        reasoning: the family's tags around thinking; where they are no control tokens they tell nothing apart.
        is_begun: whether the prompt ends inside the text of the answer.
    """
    start = len(prompt.token_ids)
    while start and prompt.token_ids[start - 1] not in vocabulary.control_ids:
        start -= 1
    opener = vocabulary.control_ids[prompt.token_ids[start - 1]] if start else ""
    tags = [vocabulary.id_of(tag) for tag in reasoning] if reasoning else [None, None]
    if None in tags:
        tags = [None, None]
    return Opening(
        prompt_tokens=prompt.length,
        opener=opener,
        tail=prompt.text_after(opener) if opener else "",
        tail_ids=prompt.token_ids[start:] if opener else (),
        owed=owed,
        reasoning_open=tags[0],
        reasoning_close=tags[1],
        is_reasoning=reasoning is not None and tags[0] is not None and opener == reasoning[0],
        begun=prompt.token_ids[-1:] if is_begun else (),
    )
