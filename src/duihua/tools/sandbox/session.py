"""Python statements with variables that stay, and what comes of them. It runs shut in, or nowhere."""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import linecache
import sys
import traceback
from types import CodeType
from typing import Any

__all__ = ["Session"]

_NAME = "<cell {}>"
_LONGEST_VALUE = 8_000  # characters of a last value that is shown
_LONGEST_ERROR = 8_000  # of a traceback
_DOTS = 100  # per inch of a figure


class Session:
    """The variables, and how many cells were run."""

    def __init__(self, most_pictures: int) -> None:
        self.variables: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
        self._cells = 0
        self._most_pictures = most_pictures

    def run(self, code: str) -> dict[str, Any]:
        """Run statements; what they print goes to the output.

        Returns:
            `error`: a traceback, or None; `value`: the last expression's, or None; `pictures`: PNG files in Base64.
        """
        self._cells += 1
        name = _NAME.format(self._cells)
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        value: object = None
        try:
            statements, last = _compiled(code, name)
            exec(statements, self.variables)  # noqa: S102  that is what it is for
            if last is not None:
                value = eval(last, self.variables)  # noqa: S307
            shown, pictures = _shown(value), [*_figures(), *_drawn(value)]
        except BaseException as error:  # noqa: BLE001  SystemExit and KeyboardInterrupt of the code too
            return {"error": _told(error, name), "value": None, "pictures": []}
        finally:
            _flush()
        if value is not None:
            self.variables["_"] = value
        return {"error": None, "value": shown, "pictures": pictures[: self._most_pictures]}


def _flush() -> None:
    """Write what is held; code may have closed what it prints to, or put something of its own there."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _compiled(code: str, name: str) -> tuple[CodeType, CodeType | None]:
    """The statements, and the last of them apart where it is an expression."""
    tree = ast.parse(code, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    statements = compile(tree, name, "exec")
    if not isinstance(last, ast.Expr):
        return statements, None
    return statements, compile(ast.Expression(last.value), name, "eval")


def _shown(value: object) -> str | None:
    if value is None or _drawn(value):
        return None
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}... ({len(text):,} characters)"


def _told(error: BaseException, name: str) -> str:
    """A traceback without our own lines."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != name:
        frames = frames.tb_next
    text = "".join(traceback.format_exception(type(error), error, frames)).rstrip()
    return text if len(text) <= _LONGEST_ERROR else f"{text[:1000]}\n[...]\n{text[1000 - _LONGEST_ERROR :]}"


def _figures() -> list[str]:
    """What matplotlib has open, drawn and closed; nothing where it was not used."""
    plots = sys.modules.get("matplotlib.pyplot")
    if plots is None:
        return []
    drawn: list[str] = []
    try:
        for number in plots.get_fignums():
            file = io.BytesIO()
            plots.figure(number).savefig(file, format="png", dpi=_DOTS, bbox_inches="tight")
            drawn.append(base64.b64encode(file.getvalue()).decode("ascii"))
    finally:  # one that cannot be drawn would fail all later cells too
        plots.close("all")
    return drawn


def _drawn(value: object) -> list[str]:
    """A value that is a picture: Pillow's say so in the way that notebooks ask."""
    draw = getattr(type(value), "_repr_png_", None)
    data = draw(value) if callable(draw) else None
    return [base64.b64encode(data).decode("ascii")] if isinstance(data, bytes) else []
