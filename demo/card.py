"""The figures where people read them: in the model's card, and in docs/demo.md of both languages."""

import re
from pathlib import Path
from typing import Final

DOCS: Final = tuple(Path(__file__).parents[1] / "docs" / name for name in ("demo.md", "demo.zh.md"))

_CARD: Final = """\
---
license: apache-2.0
language: [zh, en]
pipeline_tag: text-generation
---

# The demo model of Duihua (对话)

A very small GLM-4 (`Glm4ForCausalLM`, the architecture of GLM-4-0414; 5.7 million parameters, bfloat16,
2,048 tokens of context) that `duihua chat` talks to when no model is named. It needs no GPU and no network.

It greets, says what it is, remembers what it is told about its user, adds and subtracts up to 99, takes strings
apart, obeys a system prompt that names it, sets a mood or asks for short answers, uses GLM-4 tools, tells stories,
plays, and chats about small things, in Chinese and in English. It knows nothing else, and says so. It is made to
try and to test the program, not to give advice.

From nothing but `demo/` in Duihua's repository: no outside text, no outside weights. `docs/demo.md` there says how
it is made, what it cannot do and how the figures are taken. The turn format is GLM-4's; `<|user|>` ends an answer,
`<|observation|>` a tool call.

## Figures

{circumstances}.

<!-- figures -->
{table}
<!-- /figures -->
"""
_BLOCK: Final = "<!-- {name} -->\n{text}\n<!-- /{name} -->"


def card(table: str, circumstances: str) -> str:
    """The model's card with this table of figures and how they were taken."""
    return _CARD.format(table=table.strip(), circumstances=circumstances)


def put(page: str, name: str, text: str) -> str:
    """The page with this text between the marks of this name.

    Raises:
        ValueError: The page has no such marks.
    """
    block = _BLOCK.format(name=name, text=text.strip())
    found, count = re.subn(_BLOCK.format(name=name, text=".*?"), lambda _: block, page, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{count} places are marked {name!r}, not one")
    return found


def get(page: str, name: str) -> str:
    """The text between the marks of this name; empty where there are none."""
    found = re.search(_BLOCK.format(name=name, text="(.*?)"), page, re.DOTALL)
    return found[1] if found else ""


def publish(name: str, table: str) -> None:
    """Put a table of figures into the pages of both languages."""
    for path in DOCS:
        path.write_text(put(path.read_text(encoding="utf-8"), name, table), encoding="utf-8")
