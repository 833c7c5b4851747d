"""Answers made of stages: thinking and then a form, a bound on thinking, calls that must be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from chat.talk import chat, collect, engine, ids
from duihua.chat.protocol import NamedTool, TurnOptions
from duihua.engine.scripted import ScriptedEngine
from duihua.errors import EngineBusy, InvalidParameter, RequestError, UnsupportedFeature
from duihua.events import Chunk, Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallReady, TurnStarted
from duihua.grammar import Grammar
from duihua.messages import Message
from duihua.parsing.format import ToolFormat
from duihua.parsing.glm4 import GLM4
from duihua.parsing.hermes import HERMES
from duihua.request import GenerationRequest
from duihua.sampling import Sampling
from prompt import traits

ASK = [Message("user", "hello")]
THINK = ("<think>", "</think>")
YES = Grammar.choice(["yes", "no"])
OPEN = traits.CHATML.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
SHUT = traits.CHATML.replace("assistant\n{% endif %}", "assistant\n<think>\n\n</think>\n\n{% endif %}")
TOOLS_TEMPLATE = "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}" + traits.CHATML
SHUT_TOOLS = "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}" + SHUT
ADD = {"type": "function", "function": {"name": "add", "parameters": {"properties": {"a": {"type": "integer"}}}}}
MUL = {"type": "function", "function": {"name": "mul"}}
STOP = "<|im_end|>"


def told(over: ScriptedEngine, template: str = traits.CHATML, **asked: Any) -> list[Event]:
    calls: ToolFormat | None = asked.pop("calls", None)
    stops = asked.pop("stops", (STOP,))
    options = {name: asked.pop(name) for name in list(asked) if name in TurnOptions.__slots__}
    service = chat(over, template, reasoning=THINK, calls=calls, stops=stops)
    return asyncio.run(collect(service.stream(ASK, Sampling(**asked), TurnOptions(**options))))


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def thought_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def finished(events: list[Event]) -> Finished:
    return next(event for event in events if isinstance(event, Finished))


def ids_told(events: list[Event]) -> list[int]:
    carriers = (TextDelta, ReasoningDelta, ToolCallDelta, Finished)
    return [token for event in events if isinstance(event, carriers) for token in event.token_ids]


def test_a_form_without_thinking_is_one_generation() -> None:
    over = engine("yes")
    assert text_of(told(over, SHUT, form=YES)) == "yes"
    assert [asked.grammar for asked in over.requests] == [YES]


def test_thinking_is_free_and_the_answer_behind_it_is_held() -> None:
    over = engine("so it is\n</think>", "yes")
    events = told(over, OPEN, form=YES, seed=3, min_tokens=2)
    assert (thought_of(events), text_of(events)) == ("so it is", "yes")
    first, second = over.requests
    assert (first.grammar, second.grammar) == (None, YES)
    assert second.token_ids == (*first.token_ids, *ids("so it is\n</think>\n\n"))
    assert first.decoding.min_tokens == second.decoding.min_tokens == 0
    assert first.decoding.seed != second.decoding.seed
    usage = finished(events).usage
    assert usage.prompt_tokens == len(first.token_ids)
    assert usage.completion_tokens == len(ids("so it is\n</think>\n\nyes")) + 1
    assert usage.reasoning_tokens == len(ids("so it is\n</think>"))
    assert ids_told(events) == ids("so it is\n</think>\n\nyes" + STOP)


def test_a_model_that_begins_to_think_may_and_one_that_does_not_is_held_at_once() -> None:
    events = told(engine("<think>", "so</think>", "yes"), form=YES)
    assert (thought_of(events), text_of(events)) == ("so", "yes")
    over = engine("hello world", "yes")
    events = told(over, form=YES)
    assert (thought_of(events), text_of(events)) == ("", "yes")
    assert ids_told(events) == ids("yes" + STOP)
    assert over.requests[1].token_ids == over.requests[0].token_ids
    assert isinstance(events[0], TurnStarted)


@pytest.mark.parametrize("form", [None, YES])
def test_thinking_that_is_too_long_is_ended_and_answered(form: Grammar | None) -> None:
    over = engine("hello hello hello hello hello hello", "yes")
    events = told(over, OPEN, form=form, max_thinking_tokens=4)
    assert (thought_of(events), text_of(events)) == (
        traits.tokenizer().decode(ids("hello hello hello hello")[:4]),
        "yes",
    )
    assert finished(events).reason == "stop"
    assert over.requests[0].decoding.max_tokens == 4


def test_an_answer_that_is_cut_right_where_it_begins_to_think_ends_too() -> None:
    events = told(engine("<think>so</think>"), max_thinking_tokens=3, max_tokens=1)
    assert ids_told(events) == ids("<think>")
    assert finished(events).reason == "length"


def test_a_stop_token_that_the_caller_named_ends_the_answer_in_every_stage() -> None:
    stop = ids("hello world")[-1]
    thought = told(engine("hello world", "yes"), OPEN, form=YES, stop_token_ids=[stop])
    assert (finished(thought).reason, finished(thought).stopped_by) == ("stop", stop)
    assert (thought_of(thought), text_of(thought)) == ("hello", "")
    named = {"calls": HERMES, "tools": (ADD, MUL), "tool_choice": "required", "stop_token_ids": ids("m")}
    cut = told(engine("mul", "{}"), SHUT_TOOLS, **named)
    assert (finished(cut).reason, finished(cut).stopped_by) == ("stop", ids("m")[0])
    tried = told(engine(" world", "yes"), form=YES, stop_token_ids=[stop])
    assert text_of(tried) == "yes"


def test_an_answer_with_a_bound_on_thinking_does_not_end_before_its_least_tokens() -> None:
    over = engine("hi", "hello hello")
    events = told(over, max_thinking_tokens=3, min_tokens=4)
    first, second = over.requests
    assert second.token_ids == (*first.token_ids, *ids("hi"))
    assert second.decoding.min_tokens == 4 - len(ids("hi"))
    assert (text_of(events), finished(events).reason) == ("hihello hello", "stop")
    assert finished(told(engine("so</think>", "yes"), OPEN, form=YES, min_tokens=9)).reason == "stop"


def test_a_bound_that_is_not_reached_changes_nothing() -> None:
    call = 'so <tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'
    template = "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}" + OPEN
    for said in (call, "so it is", "so</think>yes"):
        free, bound = (
            told(engine(said, "yes"), template, calls=HERMES, tools=(ADD,), max_thinking_tokens=most)
            for most in (None, 500)
        )
        assert ids_told(free) == ids_told(bound) == ids(said + STOP)
        assert finished(free).reason == finished(bound).reason
        assert finished(free).stopped_by == finished(bound).stopped_by


def test_no_thinking_at_all_is_a_bound_too() -> None:
    events = told(engine("yes"), OPEN, max_thinking_tokens=0)
    assert (thought_of(events), text_of(events)) == ("", "yes")


def test_a_bound_leaves_a_model_alone_that_does_not_think() -> None:
    over = engine("hello world")
    assert text_of(told(over, max_thinking_tokens=3)) == "hello world"
    assert len(over.requests) == 1
    events = told(engine("<think>", "hello hello hello", "yes"), max_thinking_tokens=1)
    assert (thought_of(events), text_of(events)) == ("hello", "yes")


def test_a_model_that_ends_while_it_thinks_answers_all_the_same() -> None:
    assert text_of(told(engine("so", "yes"), OPEN, form=YES)) == "yes"


@pytest.mark.parametrize("most", range(1, 9))
def test_the_limit_is_of_all_stages_together(most: int) -> None:
    whole = ids("so\n</think>\n\nyes" + STOP)
    events = told(engine("so\n</think>", "yes"), OPEN, form=YES, max_tokens=most)
    assert ids_told(events) == whole[:most]
    assert finished(events).reason == ("length" if most < len(whole) else "stop")
    assert finished(events).usage.completion_tokens == min(most, len(whole))


def test_logprobs_are_told_for_every_token_and_are_0_for_what_was_put_in() -> None:
    events = told(engine("so</think>", "yes"), OPEN, form=YES, logprobs=1)
    carriers = (TextDelta, ReasoningDelta, Finished)
    told_for = [entry.token_id for e in events if isinstance(e, carriers) for entry in e.logprobs]
    assert told_for == ids_told(events)


def test_several_answers_have_stages_of_their_own() -> None:
    over = engine("so</think>", "a</think>", "yes", "no")
    events = told(over, OPEN, form=YES, n=2, seed=1)
    assert sorted(e.text for e in events if isinstance(e, TextDelta)) != []
    assert len([e for e in events if isinstance(e, Finished)]) == 2
    assert len({asked.decoding.seed for asked in over.requests}) == 4
    assert len({asked.request_id for asked in over.requests}) == 4


class Busy(ScriptedEngine):
    """Has no place for a request now and then: for the n-th that comes, where n is one of these."""

    def __init__(self, *full: int, answers: tuple[str, ...]) -> None:
        super().__init__([ids(answer) for answer in answers])
        self._full = full
        self._came = 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        self._came += 1
        if self._came in self._full:
            raise EngineBusy("full")
        async for chunk in super().generate(request):
            yield chunk


def test_an_answer_that_has_begun_goes_before_others_and_is_not_lost_to_a_full_queue() -> None:
    over = Busy(2, 3, answers=("so</think>", "yes"))
    assert text_of(told(over, OPEN, form=YES, priority=7)) == "yes"
    assert [asked.priority for asked in over.requests] == [7, 6]
    told(over := engine("so</think>", "yes"), OPEN, form=YES, priority=-(2**63))
    assert [asked.priority for asked in over.requests] == [-(2**63)] * 2
    with pytest.raises(EngineBusy):
        told(Busy(1, answers=("so</think>", "yes")), OPEN, form=YES)


def test_a_named_call_has_its_tags_and_name_put_in_and_its_arguments_held() -> None:
    over = engine('{"a": 1}')
    events = told(over, SHUT_TOOLS, calls=HERMES, tools=(ADD, MUL), tool_choice=NamedTool("add"))
    ready = [event.call for event in events if isinstance(event, ToolCallReady)]
    assert [(call.name, json.loads(call.arguments)) for call in ready] == [("add", {"a": 1})]
    assert finished(events).reason == "tool_calls"
    assert [asked.grammar for asked in over.requests] == [
        Grammar.json_schema({"type": "object", "properties": {"a": {"type": "integer"}}})
    ]
    assert text_of(events) == ""
    written = traits.tokenizer().decode(ids_told(events), skip_special_tokens=False)
    assert written == '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'
    assert finished(events).usage.completion_tokens == len(ids_told(events))


def test_the_prompt_is_told_of_as_it_was_whatever_was_put_behind_it() -> None:
    over = engine('{"a": 1}', '{"a": 2}')
    service = chat(over, SHUT_TOOLS, reasoning=THINK, calls=HERMES)
    options = TurnOptions(tools=(ADD,), tool_choice="required")
    for sampling in (Sampling(prompt_logprobs=0), Sampling(logprobs=0)):
        events = asyncio.run(collect(service.stream(ASK, sampling, options)))
        started = events[0]
        assert isinstance(started, TurnStarted)
        if sampling.prompt_logprobs is not None:
            assert len(started.prompt_logprobs or ()) == started.prompt_tokens
        else:  # the prompt, and what was put behind it, is cached from the turn before
            assert started.cached_tokens == finished(events).usage.cached_tokens == started.prompt_tokens
            carriers = (TextDelta, ToolCallDelta, Finished)
            told_for = [entry.token_id for e in events if isinstance(e, carriers) for entry in e.logprobs]
            assert told_for == ids_told(events)


def test_an_answer_in_a_form_keeps_the_white_space_that_the_form_asks_for() -> None:
    events = told(engine("hello", "\n\n"), traits.GLM, stops=("<|user|>",), form=Grammar.choice(["\n\n", "\n"]))
    assert text_of(events) == "\n\n"


def test_a_required_call_lets_the_model_choose_the_name_only() -> None:
    over = engine("mul", "{}")
    events = told(over, SHUT_TOOLS, calls=HERMES, tools=(ADD, MUL), tool_choice="required")
    assert [event.call.name for event in events if isinstance(event, ToolCallReady)] == ["mul"]
    names, arguments = over.requests
    assert names.grammar == Grammar.choice(["add", "mul"])
    assert arguments.grammar == Grammar.json_schema({"type": "object", "properties": {}})
    assert traits.tokenizer().decode(arguments.token_ids, skip_special_tokens=False).endswith('"mul", "arguments": ')


def test_a_call_that_the_model_thinks_of_is_not_the_one_that_must_be() -> None:
    thought = 'so <tool_call>\n{"name": "mul", "arguments": {}}\n</tool_call>'
    over = engine(thought, '{"a": 1}')
    template = "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}" + OPEN
    events = told(over, template, calls=HERMES, tools=(ADD, MUL), tool_choice=NamedTool("add"))
    assert [event.call.name for event in events if isinstance(event, ToolCallReady)] == ["add"]
    assert (thought_of(events), text_of(events)) == (thought, "")


@pytest.mark.parametrize("stop", ["\n", '"', "<tool_call>", "}\n", "e"])
def test_stop_strings_are_not_looked_for_in_what_is_put_in(stop: str) -> None:
    over = engine("{}")
    events = told(over, SHUT_TOOLS, calls=HERMES, tools=(ADD,), tool_choice="required", stop=[stop])
    assert [event.call.name for event in events if isinstance(event, ToolCallReady)] == ["add"]
    assert finished(events).reason == "tool_calls"
    assert text_of(told(engine("so</think>", "yes"), OPEN, form=YES, stop=["</think>\n\n", "\n\n"])) == "yes"
    cut = told(engine('{"a": 1}'), SHUT_TOOLS, calls=HERMES, tools=(ADD,), tool_choice="required", stop=["1"])
    assert (finished(cut).reason, finished(cut).stopped_by) == ("stop", "1")


def test_a_call_of_glm_4_ends_with_its_own_token() -> None:
    stops = ("<|user|>", "<|observation|>")
    over = engine("hello", '{"a": 1}')
    events = told(over, traits.GLM, calls=GLM4, stops=stops, tools=(ADD,), tool_choice="required")
    assert [event.call.arguments for event in events if isinstance(event, ToolCallReady)] == ['{"a": 1}']
    assert finished(events).reason == "tool_calls"


def test_what_the_limit_cuts_inside_a_call_is_length() -> None:
    events = told(engine('{"a": 1}'), SHUT_TOOLS, calls=HERMES, tools=(ADD,), tool_choice="required", max_tokens=12)
    assert finished(events).reason == "length"
    assert not [event for event in events if isinstance(event, ToolCallReady)]


def test_arguments_are_an_object_where_the_tool_allows_more() -> None:
    kind: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
    maybe = {"anyOf": [kind, {"type": "null"}, {**kind, "type": ["object", "null"]}, {"$ref": "#/$defs/A"}]}
    asked = {"calls": HERMES, "tool_choice": "required"}
    tool = {"type": "function", "function": {"name": "add", "parameters": {**maybe, "$defs": {"A": kind}}}}
    over = engine("{}")
    told(over, SHUT_TOOLS, tools=(tool,), **asked)
    held = Grammar.json_schema({"anyOf": [kind, kind, {"$ref": "#/$defs/A"}], "$defs": {"A": kind}})
    assert [request.grammar for request in over.requests] == [held]
    none = {"type": "function", "function": {"name": "add", "parameters": {"oneOf": [{"type": "null"}]}}}
    with pytest.raises(InvalidParameter, match="are an object"):
        told(engine("{}"), SHUT_TOOLS, tools=(none,), **asked)


def test_tool_choice_none_tells_the_model_of_no_tools() -> None:
    over = engine("hello")
    assert text_of(told(over, TOOLS_TEMPLATE, tools=(ADD,), tool_choice="none", calls=HERMES)) == "hello"
    assert "add" not in traits.tokenizer().decode(over.requests[0].token_ids)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"tool_choice": "always"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": NamedTool("sub"), "tools": (ADD,)}, "tool_choice"),
        ({"form": YES, "tools": (ADD,)}, "response_format"),
        ({"form": YES, "ignore_eos": True}, "ignore_eos"),
        ({"max_thinking_tokens": -1}, "max_thinking_tokens"),
        ({"max_thinking_tokens": True}, "max_thinking_tokens"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(asked: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameter) as refusal:
        told(engine("yes"), TOOLS_TEMPLATE, calls=HERMES, **asked)
    assert refusal.value.name == named


def test_a_tool_whose_parameters_cannot_be_held_is_refused_before_the_first_event() -> None:
    odd = {"type": "function", "function": {"name": "odd", "parameters": {"type": "object", "not": {}}}}
    with pytest.raises(UnsupportedFeature, match="not"):
        told(engine("x"), TOOLS_TEMPLATE, calls=HERMES, tools=(odd,), tool_choice="required")
    with pytest.raises(RequestError):
        told(engine("so</think>", "x"), OPEN, form=Grammar.ebnf("root ::= missing"))


def test_closing_midway_closes_the_stage_that_runs() -> None:
    over = engine("so</think>", "yes yes yes")

    async def scenario() -> None:
        stream = chat(over, OPEN, reasoning=THINK).stream(ASK, options=TurnOptions(form=YES))
        async for event in stream:
            if isinstance(event, TextDelta):
                break
        await stream.aclose()

    asyncio.run(scenario())
    assert over.closed == [over.requests[1].request_id]
