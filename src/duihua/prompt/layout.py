"""Whose text is whose in a rendered prompt.

A conversation is rendered twice: as it is, which is the prompt, and with brackets around every string of the
caller's. Where both are the same text (but for the brackets), the brackets tell where each message's own words
lie. What the template wrote between two messages is parted at a *seam*: what it writes after a message when the
conversation ends there belongs to that message, the rest heads the next one. Where a template trims, splits or
moves text so that the two differ, seams are found by rendering prefixes of the conversation instead.

A picture is no string that could be bracketed. But the template writes it as a sequence of control tokens that no
caller can write, so the places of pictures are known from the text itself, in their order.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, cast

from duihua.errors import InvalidMessages, UnsupportedFeature
from duihua.families import ImageForm
from duihua.messages import Message, Role
from duihua.prompt.continuing import render_to_content
from duihua.prompt.images import wrong_count
from duihua.prompt.literals import Guard, Literals
from duihua.prompt.memo import Memo, characters_of, known
from duihua.prompt.template import ChatTemplate

__all__ = ["Layout", "LayoutMaker", "RenderOptions"]

_TOOLS: Final = 0  # owner number of the tools in brackets; message i has i + 1
_REMEMBERED: Final = 10_000  # guarded messages
_WORD: Final = re.compile(r"\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """What a template reads besides the messages, and where its text ends."""

    tools: tuple[Mapping[str, Any], ...] = ()
    variables: Mapping[str, Any] | None = None
    now: datetime | None = None
    generation_prompt: bool = True
    continue_final: bool = False  # it ends inside the last message; see `duihua.prompt.continuing`

    @property
    def opens_answer(self) -> bool:
        """Whether the text ends where a new answer begins."""
        return self.generation_prompt and not self.continue_final


@dataclass(frozen=True, slots=True)
class Layout:
    """A rendered conversation and its seams, in characters of `text`."""

    text: str  # guarded, without brackets
    bracketed: str  # the same with brackets, or equal to `text` where they could not be placed
    seams: tuple[int, ...]  # where each message begins; one more for where the last one ends
    tools: tuple[int, int] | None


class LayoutMaker:
    """Lays conversations out for one template and one guard, which stays the same for its life."""

    def __init__(self, template: ChatTemplate, guard: Guard, literals: Literals, form: ImageForm | None = None) -> None:
        """Learn how the template writes.

        Args:
            form: how it writes pictures, where the model sees any.
        """
        self._template = template
        self.guard = guard
        self._literals = literals
        self._closings: dict[tuple[Role, bool, str], int] = {}
        self._guarded = Memo[Hashable, Mapping[str, Any]](_REMEMBERED)
        self._pictures = None if form is None else _pattern(form)
        self._placeholder = "" if form is None else "".join(form.placeholder)
        self._user_heading = self._probe_user_heading()

    def render(self, messages: Sequence[Message], options: RenderOptions) -> str:
        """The prompt's text, guarded.

        Raises:
            InvalidMessages: the template refuses the messages, writes a control literal of theirs in an escaped form
                that no longer reads as the literal, or writes more or fewer pictures than they have.
            UnsupportedFeature: it writes no pictures at all.
        """
        guarded, keys = self._guarded.get, known(messages)
        plain = [guarded(key) or self._plain(message) for key, message in zip(keys, messages, strict=True)]
        return self._render(plain, options, bracketed=False)

    def lay_out(self, messages: Sequence[Message], options: RenderOptions, text: str | None = None) -> Layout:
        """Render a conversation and find its seams; `text` is what `render` gave, where it is known.

        Raises:
            InvalidMessages: see `render`.
        """
        exact = self.render(messages, options) if text is None else text
        owned = [self.guard.message(message, index + 1) for index, message in enumerate(messages)]
        bracketed = self._render(owned, options, bracketed=True)
        regions = self._regions(bracketed, exact, messages) if self.guard.unbracket(bracketed) == exact else None
        if regions is None:
            self._refuse_made_up_literals(messages, options, exact)
            return Layout(exact, exact, self._seams_by_prefix(messages, options, exact), None)
        seams = self._seams(messages, options, exact, regions)
        return Layout(exact, bracketed, seams, regions.get(_TOOLS))

    def _plain(self, message: Message) -> Mapping[str, Any]:
        """A message guarded, once: a conversation brings the same ones at every turn."""
        guarded = self.guard.message(message)
        self._guarded.keep(message.known_by, guarded, characters_of(message))
        return guarded

    def _render(self, messages: Sequence[Mapping[str, Any]], options: RenderOptions, *, bracketed: bool) -> str:
        if options.continue_final:
            ended = replace(options, generation_prompt=False, continue_final=False)
            return render_to_content(
                messages, self.guard.end, lambda marked: self._render(marked, ended, bracketed=bracketed)
            )
        owner = _TOOLS if bracketed else None
        text = self._template.render(
            messages,
            tools=self.guard.value(options.tools, owner),
            options=self.guard.value(options.variables or {}),
            generation_prompt=options.generation_prompt,
            now=options.now,
        )
        self._check_pictures(messages, text)
        literal = self.guard.escaped_in(text)
        if literal is not None:
            raise InvalidMessages(
                f"{literal!r} is a control token of this model, and its template escapes it: take it out"
            )
        return text

    def _check_pictures(self, messages: Sequence[Mapping[str, Any]], text: str) -> None:
        if self._pictures is None:
            return
        contents = (message["content"] for message in messages if isinstance(message["content"], list))
        pictures = sum(part["type"] == "image" for content in contents for part in content)
        written = text.count(self._placeholder)
        if written != pictures:
            raise wrong_count(written, pictures)

    def _regions(self, bracketed: str, text: str, messages: Sequence[Message]) -> dict[int, tuple[int, int]] | None:
        """First and last character of each owner's words and pictures; None where they overlap or are out of order.

        Args:
            text: the bracketed text without its brackets.
        """
        regions: dict[int, tuple[int, int]] = {}
        try:
            for owner, start, end in self._stretches(bracketed, text, messages):
                first, last = regions.get(owner, (start, end))
                regions[owner] = (min(first, start), max(last, end))
        except ValueError:
            return None
        in_order = [regions[index] for index in range(1, len(messages) + 1) if index in regions]
        if any(later[0] < earlier[1] for earlier, later in itertools.pairwise(in_order)):
            return None
        return regions

    def _stretches(self, bracketed: str, text: str, messages: Sequence[Message]) -> list[tuple[int, int, int]]:
        """(owner, start, end) of each caller's string and each picture, in characters of the text without brackets.

        Raises:
            ValueError: the template tore the brackets apart, or writes other pictures than there are.
        """
        found = self.guard.owners(bracketed)
        owners = [index for index, message in enumerate(messages, 1) for _ in message.images]
        if owners and self._pictures is not None:
            places = (match.span() for match in self._pictures.finditer(text))
            found += [(owner, *place) for owner, place in zip(owners, places, strict=True)]
        return found

    def _seams(
        self, messages: Sequence[Message], options: RenderOptions, exact: str, regions: Mapping[int, tuple[int, int]]
    ) -> tuple[int, ...]:
        first = regions.get(1)
        seams = [self._first_seam(exact[: first[0]], messages[0].role) if first else 0]
        for count in range(1, len(messages) + 1):  # the seam after so many messages
            if options.continue_final and count == len(messages):
                seam = len(exact)
            elif count in regions:
                end = regions[count][1]
                later = (regions[owner][0] for owner in range(count + 1, len(messages) + 1) if owner in regions)
                gap = exact[end : next(later, len(exact))]
                seam = end + self._closing(messages[:count], options, gap)
            else:  # the message left no word of its own: it ends where a conversation ending there would
                seam = _agreement(self._prefix(messages[:count], options), exact)
            seams.append(max(seams[-1], seam))
        return tuple(seams)

    def _closing(self, messages: Sequence[Message], options: RenderOptions, gap: str) -> int:
        """How much of the gap after the last of these messages still belongs to it."""
        key = (messages[-1].role, bool(messages[-1].tool_calls), gap)
        if key not in self._closings:
            if len(self._closings) > 1000:  # gaps are few unless contents end in much white space
                self._closings.clear()
            self._closings[key] = self._learn_closing(messages, options, gap)
        return self._closings[key]

    def _learn_closing(self, messages: Sequence[Message], options: RenderOptions, gap: str) -> int:
        recent = _last_exchange(messages)
        owned = [self.guard.message(message, index + 1) for index, message in enumerate(recent)]
        ending = RenderOptions(variables=options.variables, now=options.now, generation_prompt=False)
        try:
            bracketed = self._render(owned, ending, bracketed=True)
            text = self.guard.unbracket(bracketed)
            end = max(end for _, _, end in self._stretches(bracketed, text, recent))
        except (InvalidMessages, UnsupportedFeature, ValueError):
            return 0
        closing = text[end:]
        return len(closing) if gap.startswith(closing) else 0

    def _first_seam(self, before: str, role: Role) -> int:
        """Where the first message begins in the text before its words: the rest is the template's preamble."""
        if role == "user" and self._user_heading and before.endswith(self._user_heading):
            return len(before) - len(self._user_heading)
        headings = [match.start() for match in self._literals.find(before)]
        return headings[-1] if headings else 0

    def _probe_user_heading(self) -> str:
        """What the template writes before a later user message, after closing the answer before it."""
        messages = [Message("user", "a"), Message("assistant", "b"), Message("user", "c")]
        try:
            layout = [self.guard.message(message, index + 1) for index, message in enumerate(messages)]
            bracketed = self._render(layout, RenderOptions(generation_prompt=False), bracketed=True)
            text = self.guard.unbracket(bracketed)
            regions = self._regions(bracketed, text, messages)
            if regions is None or 2 not in regions or 3 not in regions:
                return ""
            gap = text[regions[2][1] : regions[3][0]]
            return gap[self._closing(messages[:2], RenderOptions(), gap) :]
        except InvalidMessages:
            return ""

    def _seams_by_prefix(self, messages: Sequence[Message], options: RenderOptions, exact: str) -> tuple[int, ...]:
        seams = [0]
        for count in range(1, len(messages) + 1):
            seams.append(max(seams[-1], _agreement(self._prefix(messages[:count], options), exact)))
        if options.continue_final:
            seams[-1] = len(exact)
        heading = self._user_heading if messages[0].role == "user" else ""
        return (max(exact[: seams[1]].find(heading), 0), *seams[1:])

    def _prefix(self, messages: Sequence[Message], options: RenderOptions) -> str:
        """What a conversation ending here would read."""
        try:
            return self.render(messages, replace(options, generation_prompt=False, continue_final=False))
        except (InvalidMessages, UnsupportedFeature):  # a conversation that may not end here has no end here
            return ""

    def _refuse_made_up_literals(self, messages: Sequence[Message], options: RenderOptions, exact: str) -> None:
        """Without brackets a literal could be put together from a message's words and the text beside them.

        So the conversation is rendered with every word of theirs blotted out: control literals that go away then
        were not the template's own.
        """
        blotted = self._render([self._blotted(message) for message in messages], options, bracketed=False)
        own = Counter(match[0] for match in self._literals.find(blotted))
        surplus = Counter(match[0] for match in self._literals.find(exact)) - own
        if surplus:
            raise InvalidMessages(
                f"the control token {next(iter(surplus))!r} would come about from a message's own text, which this "
                f"model's template alters: change that text"
            )

    def _blotted(self, message: Message) -> dict[str, Any]:
        """A message whose words are all x, as long as they were."""

        def blot(value: Any) -> Any:
            if isinstance(value, str):
                return _WORD.sub(lambda match: "x" * len(match[0]), value)
            if isinstance(value, dict):
                items = cast("dict[str, Any]", value).items()
                return {key: blot(item) for key, item in items}
            return [blot(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value

        plain = self.guard.message(message)
        words = {key: blot(value) for key, value in plain.items() if key not in ("role", "tool_calls")}
        if message.images:
            words["content"] = [
                {**part, **blot({"text": part["text"]})} if "text" in part else part for part in plain["content"]
            ]
        calls = [
            {**call, "id": blot(call["id"]), "function": blot(call["function"])} for call in plain.get("tool_calls", ())
        ]
        return {"role": message.role, **words, **({"tool_calls": calls} if calls else {})}


def _pattern(form: ImageForm) -> re.Pattern[str]:
    """A picture as templates write it, with what stands around it where they do write that."""
    before, after = (f"(?:{re.escape(text)})?" for text in (form.before, form.after))
    return re.compile(before + re.escape("".join(form.placeholder)) + after)


def _agreement(prefix: str, text: str) -> int:
    """Length of the common beginning of two texts, by halving."""
    if text.startswith(prefix):
        return len(prefix)
    low, high = 0, min(len(prefix), len(text))
    while low < high:
        middle = (low + high + 1) // 2
        if text.startswith(prefix[:middle]):
            low = middle
        else:
            high = middle - 1
    return low


def _last_exchange(messages: Sequence[Message]) -> Sequence[Message]:
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role == "user":
            return messages[index:]
    return messages
