"""What Python callers give by name, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

from duihua.chat.protocol import NamedTool, TurnOptions
from duihua.errors import InvalidParameter
from duihua.grammar import grammar_of
from duihua.prompt.window import WindowPolicy
from duihua.sampling import Sampling

__all__ = ["OF_THE_TOOLS", "adapter_name", "one_answer", "sampling_of", "turn_options", "whole_answer", "with_form"]


_OF_THE_FORM: Final = ("response_format", "tool_choice", "parallel_tool_calls", "max_thinking_tokens")
OF_THE_TOOLS: Final = ("run_tools", "approve", "loop_limits")
"""What may be said beside `tools`."""


def sampling_of(values: Mapping[str, Any], *, also: tuple[str, ...] = ()) -> Sampling:
    """Sampling parameters by name; raises InvalidParameter for a name that is none, nor one of the answer's form.

    Args:
        also: further names that are read elsewhere.
    """
    known = Sampling.__dataclass_fields__
    others = (*_OF_THE_FORM, *also)
    for name in values:
        if name not in known and name not in others:
            names = ", ".join((*known, *others))
            raise InvalidParameter(name, values[name], f"there is no such parameter; there are {names}")
    return replace(Sampling(), **{name: value for name, value in values.items() if name in known})


def with_form(options: TurnOptions, values: Mapping[str, Any]) -> TurnOptions:
    """What parameters by name say of the answer's form and its calls; raises InvalidParameter for what cannot be."""
    said: dict[str, Any] = {name: values[name] for name in _OF_THE_FORM if values.get(name) is not None}
    if "response_format" in said:
        said["form"] = grammar_of(said.pop("response_format"))
    if isinstance(choice := said.get("tool_choice"), Mapping):
        function: Any = cast("Mapping[str, Any]", choice).get("function")
        if not isinstance(function, Mapping) or not isinstance(name := cast("Any", function).get("name"), str):
            raise InvalidParameter("tool_choice", choice, 'give {"type": "function", "function": {"name": ...}}')
        said["tool_choice"] = NamedTool(name)
    if not isinstance(said.get("parallel_tool_calls", True), bool):
        raise InvalidParameter("parallel_tool_calls", said["parallel_tool_calls"], "give true or false")
    return replace(options, **said)


def one_answer(sampling: Sampling) -> Sampling:
    """Refuse several answers where one is given."""
    if (sampling.n or 1) > 1:
        raise InvalidParameter("n", sampling.n, "one answer is given here; `Model.stream` gives all")
    return sampling


def whole_answer(sampling: Sampling) -> Sampling:
    """Refuse what a whole reply has no place for."""
    for name in ("logprobs", "prompt_logprobs"):
        if (value := getattr(sampling, name)) is not None:
            raise InvalidParameter(name, value, "a whole reply has none; the events of `stream` carry them")
    return one_answer(sampling)


def turn_options(window: object, adapter: object, values: Mapping[str, Any]) -> TurnOptions:
    """How a turn is prepared; raises InvalidParameter for what is no window policy or adapter's name.

    Args:
        values: parameters by name, of which those of the answer's form are read.
    """
    if not isinstance(window, WindowPolicy):
        raise InvalidParameter("window", window, "give a duihua.WindowPolicy, such as WindowPolicy(overflow='error')")
    return with_form(TurnOptions(window=window, adapter=adapter_name(adapter)), values)


def adapter_name(name: object) -> str | None:
    """The name of an adapter; raises InvalidParameter for what can be none."""
    if name is not None and not isinstance(name, str):
        raise InvalidParameter("adapter", name, "give the name of a loaded adapter, or '' for the base model")
    return name
