"""The tools a caller gives: checked, and what finds calls of them in an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from duihua.chat.protocol import TurnOptions
from duihua.content import check_text
from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.parsing.format import ToolFormat
from duihua.parsing.router import CallRouter
from duihua.parsing.schemas import ToolSchemas
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.vocabulary import Vocabulary

__all__ = ["call_router", "check_tools"]

# What a template can write and a format can read: OpenAI's rule is letters, digits, _ and -, at most 64 of them.
_NAME: Final = re.compile(r"[\w.-]{1,64}")


def check_tools(tools: Sequence[object], format_: ToolFormat | None, encoder: PromptEncoder) -> None:
    """Refuse what is no tool's schema in OpenAI's form, and tools of which the model would not hear.

    Source: https://platform.openai.com/docs/api-reference/chat/create, `tools`.

    Args:
        tools: as they were given.
        format_: how the model writes calls.
        encoder: of its template.

    Raises:
        InvalidParameter: says which, and why.
        InvalidMessages: text in it that cannot be encoded.
        UnsupportedFeature: the model's template does not tell it of tools, or its calls could not be read.
    """
    if not encoder.knows_tools:
        raise UnsupportedFeature("tools", "this model's chat template does not tell it of tools: use a model that does")
    if format_ is None:
        raise UnsupportedFeature("tools", "this model writes calls in a format that is not known here")
    names: set[str] = set()
    for number, tool in enumerate(tools):
        name = _checked_name(tool, f"tools[{number}]")
        if name in names:
            raise InvalidParameter(f"tools[{number}]", name, "another tool has that name: give each its own")
        names.add(name)


def _checked_name(tool: object, place: str) -> str:
    fields = cast("Mapping[str, Any]", tool) if isinstance(tool, Mapping) else {}
    function: object = fields.get("function")
    if fields.get("type") != "function" or not isinstance(function, Mapping):
        raise InvalidParameter(place, tool, 'give {"type": "function", "function": {"name", "description", ...}}')
    said = cast("Mapping[str, Any]", function)
    name: object = said.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidParameter(f"{place}.function.name", name, "give 1 to 64 letters, digits, '_', '-' and '.'")
    if not isinstance(said.get("description"), str | None):
        raise InvalidParameter(f"{place}.function.description", said.get("description"), "give a string")
    parameters: object = said.get("parameters")
    if not isinstance(parameters, Mapping | None):
        raise InvalidParameter(f"{place}.function.parameters", parameters, "give a JSON schema")
    try:
        written = json.dumps(tool, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidParameter(place, name, f"it is no JSON ({error})") from error
    check_text(written, place)
    if (kind := cast("Mapping[str, Any]", parameters or {}).get("type", "object")) != "object":
        raise InvalidParameter(f"{place}.function.parameters.type", kind, 'the arguments of a call are an "object"')
    return name


def call_router(
    format_: ToolFormat | None, options: TurnOptions, vocabulary: Vocabulary, *, is_begun: bool
) -> CallRouter | None:
    """What finds calls in one answer; None for a turn without tools.

    Args:
        format_: how the model writes calls.
        options: with the tools.
        vocabulary: the model's.
        is_begun: the answer goes on inside a text.
    """
    if not options.tools or format_ is None:
        return None
    if options.tool_choice != "auto":  # the call that must be follows thinking: one inside it is no more than that
        format_ = replace(format_, opener=None)
    return CallRouter(
        format_,
        ToolSchemas(options.tools),
        literal_of=vocabulary.literal,
        id_of=vocabulary.id_of,
        is_single=not options.parallel_tool_calls,
        is_begun=is_begun,
    )
