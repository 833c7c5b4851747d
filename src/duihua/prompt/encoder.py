"""Messages to a `Prompt`, paying for what is new.

A turn of a long conversation renders the whole template once (that text is the prompt, no shortcut), compares it
with what was built before, and lays out, splits and encodes only what follows the part that is the same.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final

from tokenizers import Tokenizer

from duihua.errors import InvalidImage, InvalidMessages, UnsupportedFeature
from duihua.image import Image
from duihua.messages import Message, ToolCall
from duihua.prompt.built import Built, clean_seams, prompt_of, shared_text, token_positions
from duihua.prompt.continuing import check_continuable
from duihua.prompt.images import ImagePlacer, no_images
from duihua.prompt.layout import Layout, LayoutMaker, RenderOptions
from duihua.prompt.literals import Guard, private_characters
from duihua.prompt.memo import Memo, characters_of, have_pictures, known
from duihua.prompt.pieces import PieceEncoder, Sampled
from duihua.prompt.prompt import Prompt, Span
from duihua.prompt.remembered import RememberedPrompts
from duihua.prompt.slices import Check, no_check
from duihua.prompt.template import ChatTemplate

__all__ = ["PromptEncoder"]

_HARMLESS: Final = 10_000  # messages known to hold no private-use character
_SWITCHES: Final = ("enable_thinking", "thinking")
_PROBE: Final = {
    "type": "function",
    "function": {"name": "b", "description": "c", "parameters": {"type": "object", "properties": {}}},
}
_PROBED: Final = (64, 64)  # pixels of a picture that no image processor refuses


class PromptEncoder:
    """Encodes conversations with one model's template and tokenizer.

    Not thread-safe: one encoder belongs to one thread; `apart` makes another one.

    Args:
        tokenizer: the model's; it is read, never changed.
        template: the model's, or None for a base model, which has raw prompts only.
        images: places and counts pictures, where the model sees any.
        check: called now and then while much is encoded; what it raises ends that.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        template: ChatTemplate | None,
        *,
        images: ImagePlacer | None = None,
        check: Check = no_check,
    ) -> None:
        self._tokenizer = tokenizer
        self._check = check
        self._pieces = PieceEncoder(tokenizer, check)
        self._template = template
        self._images = images
        self._layouts = None if template is None else self._layouts_with(template, _guard(template, self._pieces))
        self._remembered = RememberedPrompts()
        self._harmless = Memo[Hashable, None](_HARMLESS)

    @property
    def takes_images(self) -> bool:
        """Whether there is a place for pictures in this model's prompts."""
        return self._images is not None and self._template is not None

    def image_tokens(self, image: Image) -> int:
        """Tokens that the model reads for a picture.

        Raises:
            UnsupportedFeature: the model sees none.
            InvalidImage: see `ImagePlacer.tokens_of`.
        """
        if self._images is None:
            raise no_images()
        return self._images.tokens_of(image)

    def apart(self, check: Check) -> PromptEncoder:
        """Another encoder of the same model, for another thread: nothing that changes is shared."""
        return PromptEncoder(self._tokenizer, self._template, images=self._images, check=check)

    def unseen(self, messages: Sequence[Message]) -> int:
        """Characters of those messages that were in no prompt before."""
        return sum(characters_of(message) for message, _ in self._unseen(messages))

    def encode_raw(self, text: str, *, most: int | None = None) -> Prompt:
        """Raw text as a prompt: control literals in it are control tokens, no template is used.

        Raises:
            FarTooLong: see `encode`.
        """
        self._pieces.check_length(text, None, most)
        token_ids = tuple(self._pieces.raw(text))
        return Prompt(token_ids=token_ids, spans=(Span("template", 0, len(token_ids)),), guarded_text=text)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in characters of each token of plain text."""
        return self._pieces.plain_offsets(text)

    def length(self, text: str) -> int:
        """Tokens of plain text."""
        return self._pieces.plain_length(text)

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

    @cached_property
    def knows_tools(self) -> bool:
        """Whether the template tells the model of tools."""
        question = [Message("user", "a")]
        try:
            told = self.measure(question, RenderOptions(tools=(_PROBE,))).guarded_text
            return told != self.measure(question).guarded_text
        except (InvalidMessages, UnsupportedFeature):
            return False

    @cached_property
    def sees_results(self) -> bool:
        """Whether the template writes the pictures that tools give."""
        if not self.takes_images:
            return False
        call, image = ToolCall("c", "b", "{}"), Image(b"", *_PROBED)
        result = Message.of("tool", ["a", image], tool_call_id="c", name="b")
        messages = [Message("user", "a"), Message("assistant", tool_calls=(call,)), result]
        try:
            return bool(self.measure(messages, RenderOptions(tools=(_PROBE,))).images)
        except (InvalidMessages, InvalidImage, UnsupportedFeature):
            return False

    @cached_property
    def thinking_switch(self) -> str | None:
        """The template's own variable that turns thinking on and off; None where it has none.

        Found by what the template makes of it. Sources of the names: `enable_thinking` in
        https://huggingface.co/Qwen/Qwen3-8B and https://huggingface.co/zai-org/GLM-4.5 (README.md of both), `thinking`
        in https://huggingface.co/deepseek-ai/DeepSeek-V3.1 (README.md).
        """
        question = [Message("user", "a")]
        for name in _SWITCHES:
            try:
                off, on = (self.measure(question, RenderOptions(variables={name: said})) for said in (False, True))
            except (InvalidMessages, UnsupportedFeature):
                continue
            if off.guarded_text != on.guarded_text:
                return name
        return None

    def encode(
        self, messages: Sequence[Message], options: RenderOptions = RenderOptions(), *, most: int | None = None
    ) -> Prompt:
        """The prompt that these messages make; sampled ids in them are used again where the text is the same.

        Args:
            most: tokens that it may have; see `FarTooLong`. A prompt that is somewhat longer is given all the same.

        Raises:
            FarTooLong: it has more than `most` tokens by far; it was not encoded.
            InvalidMessages: the template refuses the messages, or they hold a control literal that cannot be
                kept plain text; or see `duihua.prompt.continuing`.
            InvalidImage: a picture that the model's image processor does not take.
            UnsupportedFeature: the model has no chat template; or there are pictures, and the model or its template
                takes none.
        """
        layouts, options = self._layouts_for(messages, options), self._dated(options)
        if layouts is not self._layouts:
            return self._prompt(self._build(tuple(messages), options, layouts, most), messages)
        asked = json.dumps([options.tools, options.variables], sort_keys=True)
        key = (asked, options.generation_prompt, options.continue_final)
        built = self._build_on(tuple(messages), key, options, layouts, most)
        self._remembered.keep(_opening(messages, key), built)
        return self._prompt(built, messages)

    def measure(
        self, messages: Sequence[Message], options: RenderOptions = RenderOptions(), *, most: int | None = None
    ) -> Prompt:
        """The same as `encode`, for a few messages whose cost is asked: nothing is kept to build on."""
        layouts = self._layouts_for(messages, options)
        return self._prompt(self._build(tuple(messages), self._dated(options), layouts, most), messages)

    def _prompt(self, built: Built, messages: Sequence[Message]) -> Prompt:
        if self._images is None or not have_pictures(messages):
            return prompt_of(built)
        images = [placed.image for message in messages for placed in message.images]
        return prompt_of(built, self._images.place(built.token_ids, images))

    def _dated(self, options: RenderOptions) -> RenderOptions:
        return options if self._template and self._template.is_dated else replace(options, now=None)

    def _layouts_for(self, messages: Sequence[Message], options: RenderOptions) -> LayoutMaker:
        """The layout maker whose marks stand nowhere in this input."""
        if options.continue_final:
            check_continuable(messages)
        if self._layouts is None or self._template is None:
            raise UnsupportedFeature("chat", "this is a base model without a chat template: use raw completion")
        if self._images is None and have_pictures(messages):
            raise no_images()
        private = self._private(messages) | private_characters([options.tools, options.variables or {}])
        if not private or not self._layouts.guard.clashes_with(private):
            return self._layouts
        return self._layouts_with(self._template, self._layouts.guard.avoiding(private))

    def _private(self, messages: Sequence[Message]) -> set[str]:
        """The private-use characters in the messages; those known to hold none are not looked at again."""
        found: set[str] = set()
        for message, key in self._unseen(messages):
            private = private_characters(message)
            found |= private
            if not private:
                self._harmless.keep(key, None, characters_of(message))
        return found

    def _unseen(self, messages: Sequence[Message]) -> list[tuple[Message, Hashable]]:
        """The messages not known to be harmless, each with what caches know it by."""
        keys = known(messages)
        return [(message, key) for message, key in zip(messages, keys, strict=True) if key not in self._harmless]

    def _layouts_with(self, template: ChatTemplate, guard: Guard) -> LayoutMaker:
        form = None if self._images is None else self._images.form
        return LayoutMaker(template, guard, self._pieces.literals, form)

    def _build_on(
        self,
        messages: tuple[Message, ...],
        key: Hashable,
        options: RenderOptions,
        layouts: LayoutMaker,
        most: int | None,
    ) -> Built:
        text = layouts.render(messages, options)
        self._pieces.check_length(text, layouts.guard, most)
        base = None
        if self._pieces.is_piecewise:
            base = self._remembered.nearest(_opening(messages, key), known(messages))
        grown = None if base is None else self._grow(base, messages, options, layouts, text)
        return grown or replace(self._build(messages, options, layouts, None, text), key=key)

    def _grow(
        self, base: Built, messages: tuple[Message, ...], options: RenderOptions, layouts: LayoutMaker, text: str
    ) -> Built | None:
        """Build on what another prompt shares with this one; None where the rest reads differently alone."""
        keys = known(messages)
        shared = shared_text(base, keys, text)
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
        where = token_positions(encoded.borders, positions)
        if where is None:
            return None
        seams = base.layout.seams[:shared] + tuple(seam - cut + kept for seam in alone.seams[first:])
        tokens = base.token_seams[shared]
        return replace(
            base,
            messages=keys,
            layout=Layout(text, text, seams, base.layout.tools),
            token_ids=base.token_ids[:tokens] + tuple(encoded.token_ids),
            token_seams=base.token_seams[:shared] + tuple(tokens + position for position in where),
            clean=(*base.clean[:shared], True, *clean_seams(encoded.borders, positions[1:])),
        )

    def _build(
        self,
        messages: tuple[Message, ...],
        options: RenderOptions,
        layouts: LayoutMaker,
        most: int | None,
        text: str | None = None,
    ) -> Built:
        self._check()
        text = layouts.render(messages, options) if text is None else text
        self._pieces.check_length(text, layouts.guard, most)
        layout = layouts.lay_out(messages, options, text)
        encoded = self._pieces.encode(layout.bracketed, layouts.guard, _sampled(messages))
        positions = [*layout.seams, *(layout.tools or ())]
        tokens = [self._token_at(position, layout.text, encoded.borders, layouts.guard) for position in positions]
        count = len(layout.seams)
        return Built(
            messages=known(messages),
            key=None,
            guard=layouts.guard,
            layout=layout,
            token_ids=tuple(encoded.token_ids),
            token_seams=tuple(tokens[:count]),
            token_tools=(tokens[count], tokens[count + 1]) if layout.tools else None,
            clean=clean_seams(encoded.borders, layout.seams),
        )

    def _token_at(self, position: int, text: str, borders: list[tuple[int, int]], guard: Guard) -> int:
        """The first token that begins at or after a character."""
        place = bisect_left(borders, (position, -1))
        if place == len(borders):
            return borders[-1][1]
        before, border = borders[place - 1] if place else (0, 0), borders[place]
        if border[0] == position:
            return border[1]
        within = len(guard.restore(text[before[0] : position]))
        starts = self._pieces.offsets(text[before[0] : border[0]], guard)
        if len(starts) != border[1] - before[1]:  # sampled ids stand there: they are not parted
            return border[1]
        return before[1] + next((i for i, start in enumerate(starts) if start >= within), len(starts))


def _guard(template: ChatTemplate, pieces: PieceEncoder) -> Guard:
    return Guard(pieces.literals, avoid=frozenset(private_characters(template.source)))


def _opening(messages: Sequence[Message], key: Hashable) -> Hashable:
    """What tells a conversation from most others: how it is rendered, and its messages up to the first user's."""
    return key, known(messages[: _lead(messages) + 1])


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
