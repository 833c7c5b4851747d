"""Which terminals draw pictures, by what they say of themselves in the environment.

None is ever asked: what answers, and does not understand, would write on the line. Sources: the terminals' own
documentation, and the table of chafa (https://github.com/hpjansson/chafa, chafa/chafa-term-db.c).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from duihua.terminal.settings import Graphics

__all__ = ["graphics_known"]

_TERMS: Final[Mapping[str, Graphics]] = {  # TERM, without what it may add behind "-" -> what it draws
    "xterm-kitty": "kitty",
    "xterm-ghostty": "kitty",
    "contour": "sixel",
    "foot": "sixel",
    "mlterm": "sixel",
    "yaft": "sixel",
}
_PROGRAMS: Final[Mapping[str | None, Graphics]] = {  # TERM_PROGRAM -> what it draws
    "ghostty": "kitty",
    "iTerm.app": "iterm2",
    "iTerm2": "iterm2",
    "WezTerm": "iterm2",
    "mintty": "iterm2",
}
_BETWEEN: Final = ("TMUX", "STY", "ZELLIJ")  # multiplexers
_KONSOLE: Final = "220400"  # 22.04.00, the first one that draws Sixel


def graphics_known(environ: Mapping[str, str]) -> Graphics | None:
    """How this terminal draws pictures, None where it is not known to.

    A multiplexer between the two, NO_COLOR or TERM=dumb means none.
    """
    name = environ.get("TERM", "")
    if environ.get("NO_COLOR") or name == "dumb" or name.startswith(("tmux", "screen")):
        return None
    if any(variable in environ for variable in _BETWEEN):
        return None
    # TERM goes first: other variables may be those of a terminal that started this one.
    for known, graphics in _TERMS.items():
        if f"{name}-".startswith(f"{known}-"):
            return graphics
    if "KITTY_WINDOW_ID" in environ:
        return "kitty"
    for program in (environ.get("TERM_PROGRAM"), environ.get("LC_TERMINAL")):  # the second one passes through ssh
        if program in _PROGRAMS:
            return _PROGRAMS[program]
    return "sixel" if _is_xterm_with_sixel(name, environ) else None


def _is_xterm_with_sixel(name: str, environ: Mapping[str, str]) -> bool:
    """Whether it calls itself xterm, as most do, and is one that draws Sixel by its own variable, and no other."""
    if not name.startswith("xterm") or "VTE_VERSION" in environ or "XTERM_VERSION" in environ:
        return False
    konsole = environ.get("KONSOLE_VERSION", "")
    draws = len(konsole) == len(_KONSOLE) and konsole >= _KONSOLE
    return draws or "MLTERM" in environ or environ.get("TERMINAL_NAME") == "contour"
