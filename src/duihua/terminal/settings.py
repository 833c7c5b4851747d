"""What can be set about the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from duihua.errors import InvalidParameter

if TYPE_CHECKING:
    from duihua.prompt.window import WindowPolicy

__all__ = ["Graphics", "Language", "TerminalSettings"]

Language = Literal["en", "zh"]
Graphics = Literal["kitty", "iterm2", "sixel"]
"""How a terminal is told to draw a picture: see `duihua.terminal.preview`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalSettings:
    """How a conversation in the terminal begins and looks.

    Raises:
        InvalidParameter: a number of tokens below 0.
    """

    system: str | None = None  # the system prompt
    history_turns: int | None = None  # exchanges kept at most; None: as many as fit
    overlong: Literal["head", "tail", "middle"] | None = None  # where to cut a text that alone is too long
    language: Literal["auto", "en", "zh"] = "auto"  # of the interface; "auto": the locale's
    color: Literal["auto", "always", "never"] = "auto"  # "auto": on a terminal, unless NO_COLOR is set
    think: bool | None = None  # whether the model thinks before it answers; None: as its template has it
    thinking: Literal["show", "hide"] = "show"  # thinking on the screen: as it comes, or one line about it
    max_thinking_tokens: int | None = None  # after these the model must answer; None: no limit of its own
    preview: Literal["auto", "kitty", "iterm2", "sixel", "never"] = "auto"  # how to draw pictures; "auto": if possible

    def __post_init__(self) -> None:
        if self.max_thinking_tokens is not None and self.max_thinking_tokens < 0:
            raise InvalidParameter("max_thinking_tokens", self.max_thinking_tokens, "give a whole number from 0")

    def window_policy(self) -> WindowPolicy:
        """The window policy of these settings; oldest exchanges are dropped.

        Raises:
            InvalidParameter: a number of turns below 1.
        """
        # Imported here: the window brings the tokenizer library, and settings are read before the first line shows.
        from duihua.prompt.window import WindowPolicy

        return WindowPolicy(max_exchanges=self.history_turns, overlong=self.overlong)
