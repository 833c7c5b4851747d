"""Texts as Markdown that shows them: what a person typed as it is, an answer with its HTML as letters."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["of_answer", "of_person"]

# What CommonMark and GFM read in the middle of a line, and at its beginning.
_ANYWHERE: Final = re.compile(r"[\\`*_\[\]<>|~&$]")
_AT_START: Final = re.compile(r"^(?P<space>[ \t]*)(?P<mark>[#+=-]|\d+(?=[.)]))?", re.MULTILINE)
_FENCE: Final = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})(?P<rest>.*)")
# A backtick behind a backslash opens nothing, and one behind another is not where a run of them begins.
_CODE: Final = re.compile(r"\\[\\`]|(?<!`)(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)", re.DOTALL)


def of_person(text: str) -> str:
    """Markdown that shows a text letter by letter, line by line."""
    return _AT_START.sub(_plain_start, _ANYWHERE.sub(r"\\\g<0>", text))


def of_answer(text: str) -> str:
    """An answer's Markdown in which tags are letters: `<` is one wherever it is not in code."""
    done: list[str] = []
    prose: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        if fence:
            done.append(line)
            if found and found["fence"].startswith(fence) and not found["rest"].strip():
                fence = ""
        elif found and not (found["fence"][0] == "`" and "`" in found["rest"]):
            fence = found["fence"]
            done += [_without_tags("".join(prose)), line]
            prose.clear()
        else:
            prose.append(line)
    return "".join([*done, _without_tags("".join(prose))])


def _plain_start(found: re.Match[str]) -> str:
    # Spaces that Markdown would drop, or take for a sign of code.
    space = found["space"].replace("\t", "    ").replace(" ", "\N{NO-BREAK SPACE}")
    mark = found["mark"] or ""
    return space + (mark and (f"{mark}\\" if mark.isdigit() else f"\\{mark}"))


def _without_tags(text: str) -> str:
    parts: list[str] = []
    end = 0
    for code in _CODE.finditer(text):
        parts += [text[end : code.start()].replace("<", "&lt;"), code[0]]
        end = code.end()
    return "".join([*parts, text[end:].replace("<", "&lt;")])
