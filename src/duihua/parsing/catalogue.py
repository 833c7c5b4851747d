"""The tool-call formats, and which one a chat template speaks."""

from __future__ import annotations

from typing import Final

from duihua.parsing.format import ToolFormat
from duihua.parsing.glm4 import GLM4
from duihua.parsing.glm45 import GLM45
from duihua.parsing.hermes import HERMES
from duihua.parsing.llama import LLAMA
from duihua.parsing.qwen_coder import QWEN_CODER
from duihua.parsing.react import REACT

__all__ = ["FORMATS", "format_of"]

FORMATS: Final = (GLM45, QWEN_CODER, HERMES, GLM4, LLAMA, REACT)  # the first whose marks a template has
_BY_NAME: Final = {format_.name: format_ for format_ in FORMATS}


def format_of(chat_template: str | None, named: str | None = None) -> ToolFormat | None:
    """The format in which a model writes its calls; None where it knows none of ours.

    Args:
        chat_template: the model's; its marks go before what the family says.
        named: the family's own, for templates without marks.
    """
    found = [format_ for format_ in FORMATS if chat_template is not None and format_.is_of(chat_template)]
    return found[0] if found else _BY_NAME[named] if named else None
