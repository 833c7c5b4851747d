"""Messages to a `Prompt`, paying for what is new.

A turn of a long conversation renders the whole template once (that text is the prompt, no shortcut), compares it
with what was built before, and lays out, splits and encodes only what follows the part that is the same.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from tokenizers import Tokenizer

from duihua.errors import InvalidMessages, UnsupportedFeature
from duihua.messages import Message
from duihua.prompt.continuing import check_continuable
from duihua.prompt.layout import Layout, LayoutMaker, RenderOptions
from duihua.prompt.literals import Guard, private_characters
from duihua.prompt.pieces import PieceEncoder, Sampled
from duihua.prompt.prompt import Owner, Prompt, Span
from duihua.prompt.template import ChatTemplate

__all__ = ["PromptEncoder"]

_REMEMBERED: Final = 8  # conversations whose last prompt is kept to build on
_HARMLESS: Final = 10_000  # messages known to hold no private-use character


@dataclass(frozen=True, slots=True)
class _Built:
    """A prompt that was built, and all that is needed to build on it."""

    messages: tuple[Message, ...]
    key: object
    guard: Guard
    layout: Layout
    token_ids: tuple[int, ...]
    token_seams: tuple[int, ...]  # the layout's seams, in tokens
    token_tools: tuple[int, int] | None
    clean: tuple[bool, ...]  # whether a seam lies beside a control token: what follows is pieces of its own


class PromptEncoder:
    """Encodes conversations with one model's template and tokenizer.

    Not thread-safe: one encoder belongs to one event loop.

    Args:
        tokenizer: the model's; it is read, never changed.
        template: the model's, or None for a base model, which has raw prompts only.
    """

    def __init__(self, tokenizer: Tokenizer, template: ChatTemplate | None) -> None:
        self._pieces = PieceEncoder(tokenizer)
        self._template = template
        self._layouts = None if template is None else _layouts(template, self._pieces)
        self._built: deque[_Built] = deque(maxlen=_REMEMBERED)
        self._harmless: set[Message] = set()

    def encode_raw(self, text: str) -> Prompt:
        """Raw text as a prompt: control literals in it are control tokens, no template is used."""
        token_ids = tuple(self._pieces.raw(text))
        return Prompt(token_ids=token_ids, spans=(Span("template", 0, len(token_ids)),), guarded_text=text)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in characters of each token of plain text."""
        return self._pieces.plain_offsets(text)

    @cached_property
    def owed(self) -> str:
        """White space between the generation prompt and an answer in history (GLM-4's line break).

        A model writes it itself when it answers, and the template writes it before the answer in later prompts;
        so it is no part of the answer.
        """
        question, answer = Message("user", "a"), Message("assistant", "b")
        ended = RenderOptions(generation_prompt=False)
        try:
            before = self.measure([question], ended).guarded_text
            asked = self.measure([question]).guarded_text
            answered = self.measure([question, answer], ended).guarded_text
        except (InvalidMessages, UnsupportedFeature):
            return ""
        opening = asked[len(before) :]
        if not (asked.startswith(before) and answered.startswith(before + opening)):
            return ""
        heading = answered[len(asked) :].partition("b")[0]
        return heading if not heading.strip() else ""

    def encode(self, messages: Sequence[Message], options: RenderOptions = RenderOptions()) -> Prompt:
        """The prompt that these messages make; sampled ids in them are used again where the text is the same.

        Raises:
            InvalidMessages: the template refuses the messages, or they hold a control literal that cannot be
                kept plain text; or see `duihua.prompt.continuing`.
            UnsupportedFeature: the model has no chat template.
        """
        layouts, options = self._layouts_for(messages, options), self._dated(options)
        if layouts is not self._layouts:
            return _prompt(self._build(tuple(messages), options, layouts))
        asked = json.dumps([options.tools, options.variables], sort_keys=True)
        key = (asked, options.generation_prompt, options.continue_final)
        built = self._build_on(tuple(messages), key, options, layouts)
        self._remember(built)
        return _prompt(built)

    def measure(self, messages: Sequence[Message], options: RenderOptions = RenderOptions()) -> Prompt:
        """The same as `encode`, for a few messages whose cost is asked: nothing is kept to build on."""
        layouts = self._layouts_for(messages, options)
        return _prompt(self._build(tuple(messages), self._dated(options), layouts))

    def _dated(self, options: RenderOptions) -> RenderOptions:
        return options if self._template and self._template.is_dated else replace(options, now=None)

    def _layouts_for(self, messages: Sequence[Message], options: RenderOptions) -> LayoutMaker:
        """The layout maker whose marks stand nowhere in this input."""
        if options.continue_final:
            check_continuable(messages)
        if self._layouts is None or self._template is None:
            raise UnsupportedFeature("chat", "this is a base model without a chat template: use raw completion")
        private = self._private(messages) | private_characters([options.tools, options.variables or {}])
        if not private or not self._layouts.guard.clashes_with(private):
            return self._layouts
        return LayoutMaker(self._template, self._layouts.guard.avoiding(private), self._pieces.literals)

    def _private(self, messages: Sequence[Message]) -> set[str]:
        """The private-use characters in the messages; those known to hold none are not looked at again."""
        found: set[str] = set()
        for message in [message for message in messages if message not in self._harmless]:
            private = private_characters(message)
            found |= private
            if not private:
                self._harmless.add(message)
        if len(self._harmless) > _HARMLESS:
            self._harmless.clear()
        return found

    def _build_on(
        self, messages: tuple[Message, ...], key: object, options: RenderOptions, layouts: LayoutMaker
    ) -> _Built:
        text = layouts.render(messages, options)
        bases = [built for built in self._built if built.key == key and self._pieces.is_piecewise]
        base = max(bases, key=lambda built: _common(built.messages, messages), default=None)
        grown = None if base is None else self._grow(base, messages, options, layouts, text)
        return grown or replace(self._build(messages, options, layouts, text), key=key)

    def _grow(
        self, base: _Built, messages: tuple[Message, ...], options: RenderOptions, layouts: LayoutMaker, text: str
    ) -> _Built | None:
        """Build on what another prompt shares with this one; None where the rest reads differently alone."""
        shared = _shared(base, messages, text)
        lead = _lead(messages)
        start = next((i for i in range(shared, lead, -1) if messages[i].role == "user"), lead)
        if start == lead:
            return None
        alone = layouts.lay_out(messages[:lead] + messages[start:], options)
        first = lead + shared - start  # where the message after the shared ones stands there
        cut, kept = alone.seams[first], base.layout.seams[shared]
        if alone.bracketed is alone.text or text[kept:] != alone.text[cut:]:
            return None
        bracketed = _bracketed_from(alone, cut, layouts.guard)
        encoded = self._pieces.encode(bracketed, layouts.guard, _sampled(messages[shared:]))
        positions = [seam - cut for seam in alone.seams[first:]]
        where = _token_positions(encoded.borders, positions)
        if where is None:
            return None
        seams = base.layout.seams[:shared] + tuple(seam - cut + kept for seam in alone.seams[first:])
        tokens = base.token_seams[shared]
        return replace(
            base,
            messages=messages,
            layout=Layout(text, text, seams, base.layout.tools),
            token_ids=base.token_ids[:tokens] + tuple(encoded.token_ids),
            token_seams=base.token_seams[:shared] + tuple(tokens + position for position in where),
            clean=(*base.clean[:shared], True, *_clean(encoded.borders, positions[1:])),
        )

    def _build(
        self, messages: tuple[Message, ...], options: RenderOptions, layouts: LayoutMaker, text: str | None = None
    ) -> _Built:
        layout = layouts.lay_out(messages, options, text)
        encoded = self._pieces.encode(layout.bracketed, layouts.guard, _sampled(messages))
        positions = [*layout.seams, *(layout.tools or ())]
        tokens = [self._token_at(position, layout.text, encoded.borders, layouts.guard) for position in positions]
        count = len(layout.seams)
        return _Built(
            messages=messages,
            key=None,
            guard=layouts.guard,
            layout=layout,
            token_ids=tuple(encoded.token_ids),
            token_seams=tuple(tokens[:count]),
            token_tools=(tokens[count], tokens[count + 1]) if layout.tools else None,
            clean=_clean(encoded.borders, layout.seams),
        )

    def _token_at(self, position: int, text: str, borders: list[tuple[int, int]], guard: Guard) -> int:
        """The first token that begins at or after a character."""
        before = (0, 0)
        for border in borders:
            if border[0] == position:
                return border[1]
            if border[0] > position:
                within = len(guard.restore(text[before[0] : position]))
                starts = self._pieces.offsets(text[before[0] : border[0]], guard)
                if len(starts) != border[1] - before[1]:  # sampled ids stand there: they are not parted
                    return border[1]
                return before[1] + next((i for i, start in enumerate(starts) if start >= within), len(starts))
            before = border
        return borders[-1][1]

    def _remember(self, built: _Built) -> None:
        """Keep the newest prompt of each conversation: one that was built on is replaced."""
        for old in self._built:
            if old.key == built.key and _common(old.messages, built.messages) == len(old.messages):
                self._built.remove(old)
                break
        self._built.append(built)


def _layouts(template: ChatTemplate, pieces: PieceEncoder) -> LayoutMaker:
    guard = Guard(pieces.literals, avoid=frozenset(private_characters(template.source)))
    return LayoutMaker(template, guard, pieces.literals)


def _prompt(built: _Built) -> Prompt:
    return Prompt(
        token_ids=built.token_ids, spans=tuple(_spans(built)), guarded_text=built.layout.text, guard=built.guard
    )


def _spans(built: _Built) -> list[Span]:
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


def _common(left: Sequence[Message], right: Sequence[Message]) -> int:
    """How many messages two conversations share from the start; the same objects compare at once."""
    count = min(len(left), len(right))
    if count and left[0] != right[0]:
        return 0  # two conversations, mostly
    if left[:count] == right[:count]:
        return count
    return next(i for i in range(count) if left[i] is not right[i] and left[i] != right[i])


def _shared(base: _Built, messages: Sequence[Message], text: str) -> int:
    """How many of the base's messages stand in this text, to the letter, with a clean seam after them."""
    low, high = 0, min(_common(base.messages, messages), len(messages) - 1)
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


def _lead(messages: Sequence[Message]) -> int:
    """How many system messages lead the conversation."""
    return next((i for i, message in enumerate(messages) if message.role != "system"), len(messages))


def _sampled(messages: Sequence[Message]) -> Sampled:
    return {(run.opener, run.text): run.token_ids for message in messages for run in message.sampled}


def _bracketed_from(layout: Layout, cut: int, guard: Guard) -> str:
    """The bracketed text from a character of the plain text on."""
    rest = len(layout.text) - cut
    low, high = cut, len(layout.bracketed)
    while low < high:  # the first position whose rest, without brackets, is short enough
        middle = (low + high) // 2
        if len(guard.unbracket(layout.bracketed[middle:])) > rest:
            low = middle + 1
        else:
            high = middle
    return layout.bracketed[low:]


def _clean(borders: list[tuple[int, int]], seams: Sequence[int]) -> tuple[bool, ...]:
    """Whether pieces meet at each seam; the end of the text is such a place where a control token stands there."""
    meeting = {position for position, _ in borders[:-1]}
    return tuple(seam in meeting for seam in seams)


def _token_positions(borders: list[tuple[int, int]], positions: Sequence[int]) -> list[int] | None:
    """Token positions of characters that all are piece borders; None where one is not."""
    lookup = dict(borders)
    lookup[0] = 0
    found = [lookup.get(position) for position in positions]
    return None if None in found else [position for position in found if position is not None]
