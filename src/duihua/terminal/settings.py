"""What can be set about the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from duihua.prompt.window import WindowPolicy

__all__ = ["Graphics", "Language", "TerminalSettings"]

Language = Literal["en", "zh"]
Graphics = Literal["kitty", "iterm2"]
"""How a terminal is told to draw a picture: see `duihua.terminal.preview`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalSettings:
    """How a conversation in the terminal begins and looks."""

    system: str | None = None  # the system prompt
    history_turns: int | None = None  # exchanges kept at most; None: as many as fit
    overlong: Literal["head", "tail", "middle"] | None = None  # where to cut a text that alone is too long
    language: Literal["auto", "en", "zh"] = "auto"  # of the interface; "auto": the locale's
    color: Literal["auto", "always", "never"] = "auto"  # "auto": on a terminal, unless NO_COLOR is set
    preview: Literal["auto", "kitty", "iterm2", "never"] = "auto"  # how pictures are drawn; "auto": if the terminal can

    def window_policy(self) -> WindowPolicy:
        """The window policy of these settings; oldest exchanges are dropped.

        Raises:
            InvalidParameter: a number of turns below 1.
        """
        # Imported here: the window brings the tokenizer library, and settings are read before the first line shows.
        from duihua.prompt.window import WindowPolicy

        return WindowPolicy(max_exchanges=self.history_turns, overlong=self.overlong)
