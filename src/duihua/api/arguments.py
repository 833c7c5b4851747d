"""What Python callers give by name, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from duihua.chat.protocol import TurnOptions
from duihua.errors import InvalidParameter
from duihua.prompt.window import WindowPolicy
from duihua.sampling import Sampling

__all__ = ["adapter_name", "one_answer", "sampling_of", "turn_options", "whole_answer"]


def sampling_of(values: Mapping[str, Any]) -> Sampling:
    """Sampling parameters by name; raises InvalidParameter for a name that is none."""
    known = Sampling.__dataclass_fields__
    for name in values:
        if name not in known:
            raise InvalidParameter(name, values[name], f"there is no such parameter; there are {', '.join(known)}")
    return replace(Sampling(), **values)


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


def turn_options(window: object, adapter: object = None, tools: object = ()) -> TurnOptions:
    """How a turn is prepared; raises InvalidParameter for what is no window policy, adapter's name or list of tools."""
    if not isinstance(window, WindowPolicy):
        raise InvalidParameter("window", window, "give a duihua.WindowPolicy, such as WindowPolicy(overflow='error')")
    if not isinstance(tools, Sequence) or isinstance(tools, str):
        raise InvalidParameter("tools", tools, "give a list of schemas in OpenAI's form")
    schemas = tuple(cast("Sequence[Mapping[str, Any]]", tools))
    return TurnOptions(window=window, adapter=adapter_name(adapter), tools=schemas)


def adapter_name(name: object) -> str | None:
    """The name of an adapter; raises InvalidParameter for what can be none."""
    if name is not None and not isinstance(name, str):
        raise InvalidParameter("adapter", name, "give the name of a loaded adapter, or '' for the base model")
    return name
