"""The card of demo-vision, with its figures."""

from typing import Final

_CARD: Final = """\
---
license: apache-2.0
language: [zh, en]
pipeline_tag: image-text-to-text
---

# The vision demo of Duihua (对话)

A very small GLM-4.1V (`Glm4vForConditionalGeneration`; 5.3 million parameters, bfloat16, 1,024 tokens of context) that
looks at simple pictures. It needs no GPU and no network: `duihua chat demo-vision --image PATH`.

It names shapes (circle, square, triangle, star, diamond, cross, heart) and colours (red, orange, yellow, green, blue,
purple, pink, black, white), counts up to five, reads one digit, says what is left of or above what and which is
bigger, compares two pictures, remembers earlier ones, and says when there is none, in Chinese and in English. It
greets and says what it is. It knows nothing else: photographs, faces and words are beyond it. It is made to try and
to test the program, not to give advice.

From nothing but `demo/vision/` in Duihua's repository: no outside pictures, text or weights. A picture is brought to
at most about 112 by 112 pixels and becomes at most 16 tokens. The turn format is GLM-4's; `<|user|>` ends an answer.

## Figures

{circumstances}.

<!-- figures -->
{table}
<!-- /figures -->
"""


def card(table: str, circumstances: str) -> str:
    """The model's card with this table of figures and how they were taken."""
    return _CARD.format(table=table.strip(), circumstances=circumstances)
