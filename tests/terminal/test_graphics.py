import pytest

from duihua.terminal.graphics import graphics_known


@pytest.mark.parametrize(
    ("environ", "graphics"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm2"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "foot-direct", "TERM_PROGRAM": "WezTerm", "KITTY_WINDOW_ID": "1"}, "sixel"),
        ({"TERM": "mlterm-256color"}, "sixel"),
        ({"TERM": "contour-latest"}, "sixel"),
        ({"TERM": "yaft-256color"}, "sixel"),
        ({"TERM": "xterm", "MLTERM": "3.9.3"}, "sixel"),
        ({"TERM": "xterm-256color", "TERMINAL_NAME": "contour"}, "sixel"),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "220400"}, "sixel"),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "211203"}, None),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "24"}, None),
        ({"TERM": "alacritty", "KONSOLE_VERSION": "240802"}, None),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "240802", "VTE_VERSION": "7600"}, None),
        ({"TERM": "xterm-256color", "MLTERM": "3.9.3", "XTERM_VERSION": "XTerm(390)"}, None),
        ({"TERM": "xterm-256color", "WT_SESSION": "x"}, None),
        ({"TERM": "football"}, None),
        ({"TERM": "foot", "NO_COLOR": "1"}, None),
        ({"TERM": "foot", "TMUX": "x"}, None),
        ({"TERM": "screen.foot"}, None),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, None),
        ({"TERM": "xterm-256color"}, None),
        ({}, None),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, None),
        ({"TERM": "dumb", "TERM_PROGRAM": "iTerm.app"}, None),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "screen", "LC_TERMINAL": "iTerm2"}, None),
        ({"TERM": "xterm-256color", "TMUX": "x", "LC_TERMINAL": "iTerm2"}, None),
        ({"TERM": "xterm-kitty", "ZELLIJ": "0"}, None),
    ],
)
def test_terminals_that_draw_pictures_are_known_by_their_environment(
    environ: dict[str, str], graphics: str | None
) -> None:
    assert graphics_known(environ) == graphics
