"""What a turn asks of its answer's form, as the stages of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from duihua.chat.protocol import NamedTool, TurnOptions
from duihua.chat.stages import ForcedCall, Plan
from duihua.engine.ebnf import ebnf_of
from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.grammar import Grammar
from duihua.parsing.format import Script, Tag, ToolFormat
from duihua.prompt.opening import Opening
from duihua.prompt.vocabulary import Vocabulary
from duihua.sampling import Sampling

__all__ = ["Planner", "arguments_schema", "check_options"]

_CHOICES: Final = 'give "auto", "none", "required" or one tool by its name'


def check_options(options: TurnOptions, sampling: Sampling) -> TurnOptions:
    """Refuse what does not go together, before anything is encoded.

    Returns:
        The options, without tools where none may be called.

    Raises:
        InvalidParameter: says which.
    """
    choice, thinking = options.tool_choice, options.max_thinking_tokens
    if not isinstance(choice, NamedTool) and choice not in ("auto", "none", "required"):
        raise InvalidParameter("tool_choice", choice, _CHOICES)
    if thinking is not None and (not isinstance(thinking, int) or isinstance(thinking, bool) or thinking < 0):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidParameter("max_thinking_tokens", thinking, "give a whole number from 0")
    if choice == "none":
        options = replace(options, tools=())
    is_forced = choice not in ("auto", "none")
    if is_forced and not options.tools:
        raise InvalidParameter("tool_choice", _said(choice), "there are no tools to call: give some")
    if isinstance(choice, NamedTool) and choice.name not in (names := _parameters(options)):
        raise InvalidParameter("tool_choice", choice.name, f"the tools are {', '.join(names)}")
    if options.form is not None and options.tools:
        raise InvalidParameter(
            "response_format", options.form.kind, 'an answer in a form calls no tools: say tool_choice "none"'
        )
    if sampling.ignore_eos and (options.form is not None or is_forced):
        raise InvalidParameter("ignore_eos", True, "an answer in a given form ends where the form does")  # noqa: FBT003
    if is_forced and options.continue_final:
        raise InvalidParameter("tool_choice", _said(choice), "an answer that goes on with a text is no call")
    return options


class Planner:
    """Makes plans for one model.

    Args:
        vocabulary: the model's.
        reasoning: its tags around thinking.
        format_: how it writes calls.
        tokenize: ids of raw text.
        own_stops: tokens that end its answers.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        reasoning: tuple[str, str] | None,
        format_: ToolFormat | None,
        tokenize: Callable[[str], Awaitable[tuple[int, ...]]],
        own_stops: Iterable[int] = (),
    ) -> None:
        self._vocabulary = vocabulary
        self._reasoning = reasoning
        self._format = format_
        self._tokenize = tokenize
        self._own_stops = frozenset(own_stops)

    async def plan(
        self, options: TurnOptions, opening: Opening, *, ends: Iterable[int] = (), is_raw: bool = False
    ) -> Plan | None:
        """The stages of an answer; None where it is one, or held to its form from the start.

        Args:
            options: what is asked.
            opening: how the prompt ended.
            ends: stop tokens that the caller named.
            is_raw: no template made the prompt.

        Raises:
            InvalidParameter, UnsupportedFeature: the form, or a tool's parameters, cannot be followed.
        """
        call = None if options.tool_choice in ("auto", "none") else await self._call(options)
        may_think = self._may_think(opening) and not is_raw
        is_bounded = options.max_thinking_tokens is not None
        thinks = (opening.is_reasoning or may_think) and (is_bounded or options.form is not None or call is not None)
        if not thinks and call is None:
            return None
        if options.form is not None:  # its stage is not the first: what is wrong with it must be known before that
            await asyncio.to_thread(ebnf_of, options.form)
        return Plan(
            grammar=options.form,
            call=call,
            opens=opening.reasoning_open,
            closes=opening.reasoning_close,
            is_thinking=opening.is_reasoning,
            may_think=may_think,
            most_thinking=options.max_thinking_tokens,
            after_thinking=await self._tokenize("\n\n") if thinks else (),
            ends=frozenset(ends) - self._own_stops,
            read=lambda ids: self._vocabulary.decode(list(ids)),
        )

    def _may_think(self, opening: Opening) -> bool:
        """Whether the model may open thinking itself: not where the prompt has closed it, or has begun the answer."""
        if opening.reasoning_open is None or self._reasoning is None or opening.begun or opening.is_reasoning:
            return False
        return opening.opener != self._reasoning[1]

    async def _call(self, options: TurnOptions) -> ForcedCall:
        if self._format is None:
            raise UnsupportedFeature("tool_choice", "this model writes calls in a format that is not known here")
        parameters, choice = _parameters(options), options.tool_choice
        names = [choice.name] if isinstance(choice, NamedTool) else list(parameters)
        arguments = {name: Grammar.json_schema(arguments_schema(parameters[name])) for name in names}
        for grammar in arguments.values():
            await asyncio.to_thread(ebnf_of, grammar)
        return ForcedCall(
            arguments=arguments,
            name_ids={name: await self._tokenize(name) for name in names},
            before_name=await self._ids(self._format.before_name),
            before_arguments=await self._ids(self._format.before_arguments),
            closing=await self._ids(self._format.closing),
        )

    async def _ids(self, script: Script) -> tuple[int, ...]:
        """Text and tags as ids: a tag is its own token where there is one."""
        ids: list[int] = []
        for part in script:
            own = self._vocabulary.id_of(part.literal) if isinstance(part, Tag) else None
            text = part.literal if isinstance(part, Tag) else part
            ids += (own,) if own is not None else await self._tokenize(text)
        return tuple(ids)


def _parameters(options: TurnOptions) -> dict[str, Any]:
    """What each tool takes, by its name."""
    functions = [tool.get("function") for tool in options.tools]
    found = [function for function in functions if isinstance(function, Mapping)]
    return {str(function.get("name")): function.get("parameters") for function in found}


def arguments_schema(parameters: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Arguments are an object, whatever the tool says of them.

    Raises:
        InvalidParameter: it says that they are none.
    """
    if not parameters:
        return {"type": "object", "properties": {}}
    for word in ("anyOf", "oneOf"):
        if isinstance(branches := parameters.get(word), list):
            objects = [each for branch in cast("list[Any]", branches) for each in _as_objects(branch)]
            if branches and not objects:
                raise InvalidParameter("json_schema", word, "the arguments of a call are an object")
            parameters = {**parameters, word: objects}
    if "type" in parameters or any(word in parameters for word in ("$ref", "anyOf", "oneOf", "allOf")):
        return parameters
    return {"type": "object", **parameters}


def _as_objects(branch: object) -> Iterator[object]:
    """The branch, where an object may be of it, less what is none."""
    if not isinstance(branch, Mapping):
        yield branch
        return
    schema = cast("Mapping[str, Any]", branch)
    kinds = schema.get("type", "object")
    if kinds == "object":
        yield schema
    elif isinstance(kinds, list) and "object" in kinds:
        yield {**schema, "type": "object"}


def _said(choice: str | NamedTool) -> str:
    return choice.name if isinstance(choice, NamedTool) else choice
