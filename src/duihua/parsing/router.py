"""An answer's text, parted into thinking, words and calls."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from duihua.parsing.calls import Calls
from duihua.parsing.format import CallReader, ToolFormat
from duihua.parsing.parts import CallBegun, Content, Part, Reasoning
from duihua.parsing.reasoning import Channel, ReasoningRouter
from duihua.parsing.schemas import ToolSchemas

__all__ = ["CallRouter", "StreamRouter"]


class CallRouter:
    """Finds the calls in an answer's words.

    Args:
        format: how the model writes calls.
        schemas: the tools of this turn.
        literal_of: what a control token reads as; None for an id that is none.
        id_of: the id of a control token; None where a literal is none.
        is_single: only the first call counts.
        is_begun: the answer goes on inside a text.
    """

    def __init__(
        self,
        format: ToolFormat,  # noqa: A002  the field's term
        schemas: ToolSchemas,
        *,
        literal_of: Callable[[int], str | None],
        id_of: Callable[[str], int | None],
        is_single: bool = False,
        is_begun: bool = False,
    ) -> None:
        self.calls = Calls(schemas, is_single=is_single, is_begun=is_begun)
        self.opener = None if format.opener is None else id_of(format.opener)
        self._format = format
        self._reader: CallReader = format.reader(self.calls)
        self._literal_of = literal_of
        self._tags = frozenset(format.tags)
        self._in_letters = frozenset(tag for tag in format.tags if id_of(tag) is None)
        self._patterns: dict[tuple[str, ...], tuple[tuple[str, ...], re.Pattern[str]]] = {}
        self._held = "" if is_begun else format.lead

    def push(self, text: str, control: int | None) -> list[Part]:
        """What one more piece of the answer tells."""
        literal = None if control is None else self._literal_of(control)
        if literal is None or literal not in self._tags:
            self._read(text)
        else:
            self._release()
            if not self.calls.is_over:
                self._reader.tag(literal, text)
        return self.calls.take()

    def give_up(self) -> list[Part]:
        """What is held is no call; the next one is read anew."""
        self._release()
        self.calls.fail(is_malformed=False)
        self._reader = self._format.reader(self.calls)
        self.calls.flush()
        return self.calls.take()

    def end(self, *, is_whole: bool) -> list[Part]:
        """What the end of the answer tells."""
        self._release()
        if not self.calls.is_over:
            self._reader.end(is_whole=is_whole)
        self.calls.flush()
        return self.calls.take()

    def _read(self, text: str) -> None:
        """Text, in which the tags that are no tokens are found by their letters."""
        self._held += text
        while self._held and not self.calls.is_over:
            letters, pattern = self._letters()
            found = pattern.search(self._held) if letters else None
            if found is not None and found.start() == 0:
                self._held = self._held[found.end() :]
                self._reader.tag(found[0], found[0])
                continue
            kept = 0 if not letters or found is not None else _unfinished(self._held, letters)
            end = len(self._held) - kept if found is None else found.start()
            if not end:
                return
            words, self._held = self._held[:end], self._held[end:]
            self._reader.text(words)

    def _release(self) -> None:
        """What was held is no tag."""
        held, self._held = self._held, ""
        if held and not self.calls.is_over:
            self._reader.text(held)

    def _letters(self) -> tuple[tuple[str, ...], re.Pattern[str]]:
        """The tags that may come in letters here."""
        expected = self._reader.expected
        if expected not in self._patterns:
            letters = tuple(tag for tag in expected if tag in self._in_letters)
            self._patterns[expected] = letters, re.compile("|".join(map(re.escape, letters)) or r"(?!)")
        return self._patterns[expected]


class StreamRouter:
    """Parts one answer, piece by piece, into thinking, words and calls.

    What comes out does not hang on how the text is cut into pieces, but for where parts of one kind are cut.

    Args:
        opening, closing: ids of the tags around thinking; None where the model has none.
        opened: whether the prompt ended inside thinking.
        calls: finds calls; None: there are none.

    Attributes:
        is_plain: whether text goes to the reader just as it is.
        channel: where text goes.
    """

    def __init__(
        self, opening: int | None, closing: int | None, *, opened: bool = False, calls: CallRouter | None = None
    ) -> None:
        self._thinking = ReasoningRouter(opening, closing, opened=opened)
        self._tags = frozenset(tag for tag in (opening, closing) if tag is not None)
        self._calls = calls
        self._is_trying = False  # what may be a call has opened inside thinking
        self.channel: Channel = "content"
        self.is_plain = False
        self._settle()

    @property
    def is_over(self) -> bool:
        """Whether nothing that follows counts any more."""
        return self._calls is not None and self._calls.calls.is_over

    @property
    def malformed(self) -> int:
        """Calls that were passed on as text."""
        return 0 if self._calls is None else self._calls.calls.malformed

    def push(self, text: str, control: int | None) -> list[Part]:
        """What one more piece tells: text, or a control token and what of it shows."""
        if self._calls is None:
            return self._route(text, control)
        if self._is_trying and control is not None and (control in self._tags or control == self._calls.opener):
            return [*self._back_to_thinking(self._calls.give_up()), *self.push(text, control)]
        if self._is_trying or (self.channel == "reasoning" and control is not None and control == self._calls.opener):
            return self._try(self._calls, text, control)
        if self.channel == "content" and control is not None and control not in self._tags:
            return [*self._begin(), *self._calls.push(text, control)]
        return self._route(text, control)

    def end(self, *, is_whole: bool) -> list[Part]:
        """What the end of the answer tells.

        Args:
            is_whole: the answer ended by itself, and was not cut short.
        """
        parts = self._begin()
        if self._calls is None:
            return parts
        parts += self._calls.end(is_whole=is_whole)
        return self._back_to_thinking(parts) if self._is_trying else parts

    def _begin(self) -> list[Part]:
        """Line breaks that were held, for thinking might have followed."""
        held = self._thinking.begin()
        if held is None:
            return []
        return [Content(held.text)] if self._calls is None else self._calls.push(held.text, None)

    def _route(self, text: str, control: int | None) -> list[Part]:
        routed = self._thinking.push(text, control)
        self._settle()
        if routed is None:
            return []
        if routed.channel == "reasoning":
            return [Reasoning(routed.text)]
        return [Content(routed.text)] if self._calls is None else self._calls.push(routed.text, None)

    def _try(self, calls: CallRouter, text: str, control: int | None) -> list[Part]:
        """A call may open inside thinking, which models leave unclosed then.

        It is one when its name is known. Until then it is thinking. Source: vLLM's qwen3_reasoning_parser.py.
        """
        self._is_trying = calls.calls.is_trial = True
        parts = calls.push(text, control)
        if any(isinstance(part, CallBegun) for part in parts):
            self._is_trying = calls.calls.is_trial = False
            self._thinking.close()
            self._settle()
        elif parts:
            parts = self._back_to_thinking([*parts, *calls.give_up()])
        return parts

    def _back_to_thinking(self, parts: Sequence[Part]) -> list[Part]:
        """What was said is thought."""
        assert self._calls is not None, "there are no calls to try"  # noqa: S101
        self._is_trying = self._calls.calls.is_trial = False
        return [thought for part in parts if isinstance(part, Content) for thought in self._route(part.text, None)]

    def _settle(self) -> None:
        self.channel = self._thinking.channel
        self.is_plain = self._calls is None and self._thinking.is_plain


def _unfinished(text: str, tags: tuple[str, ...]) -> int:
    """How many characters at the end of a text may be the beginning of a tag."""
    longest = min(max(map(len, tags)) - 1, len(text))
    for count in range(longest, 0, -1):
        if any(tag.startswith(text[-count:]) for tag in tags):
            return count
    return 0
