"""Tools of a turn: refused where they cannot be, told to the model, and its calls told to the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from chat.talk import chat, collect, engine, ids
from duihua.chat.conversation import Conversation
from duihua.chat.fold import Reply
from duihua.chat.protocol import TurnOptions
from duihua.engine.scripted import ScriptedEngine
from duihua.errors import InvalidMessages, InvalidParameter, RequestError, UnsupportedFeature
from duihua.events import Event, Finished, TextDelta, ToolCallDelta, ToolCallReady
from duihua.families.qwen import QWEN
from duihua.messages import Message
from duihua.parsing.format import ToolFormat
from duihua.parsing.glm4 import GLM4
from duihua.parsing.hermes import HERMES
from duihua.parsing.react import REACT
from duihua.sampling import Sampling
from prompt import traits

ADD = {
    "type": "function",
    "function": {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}},
}
ASK = [Message("user", "hello")]
HERMES_TEMPLATE = (
    "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for call in m.tool_calls or [] %}{{ '\n' if m.content or not loop.first }}<tool_call>\n"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}\n</tool_call>'
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'


def events_of(
    over: ScriptedEngine,
    template: str = HERMES_TEMPLATE,
    calls: ToolFormat | None = HERMES,
    *,
    stops: tuple[str, ...] = ("<|im_end|>",),
    parallel: bool = True,
    **sampling: Any,
) -> list[Event]:
    service = chat(over, template, calls=calls, stops=stops)
    options = TurnOptions(tools=(ADD,), parallel_tool_calls=parallel)
    return asyncio.run(collect(service.stream(ASK, Sampling(**sampling), options)))


def calls_of(events: list[Event]) -> list[tuple[int, str, str]]:
    ready = [event for event in events if isinstance(event, ToolCallReady)]
    return [(event.index, event.call.name, event.call.arguments) for event in ready]


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def finished(events: list[Event]) -> Finished:
    return next(event for event in events if isinstance(event, Finished))


def test_a_call_comes_in_deltas_that_make_it_up_and_ends_the_answer() -> None:
    events = events_of(engine(f"hello\n{CALL}"))
    deltas = [event for event in events if isinstance(event, ToolCallDelta)]
    ready = next(event for event in events if isinstance(event, ToolCallReady))
    assert text_of(events) == "hello"
    assert (deltas[0].name, deltas[0].id) == ("add", ready.call.id)
    assert [delta.id for delta in deltas[1:]] == [None] * (len(deltas) - 1)
    assert len(deltas) > 3, "arguments come as they are written"
    assert "".join(delta.arguments for delta in deltas) == ready.call.arguments == '{"a": 1}'
    assert ready.call.id.startswith("call_")
    assert finished(events).reason == "tool_calls"


def test_every_token_comes_with_exactly_one_event() -> None:
    answer = f"hello\n{CALL}"
    events = events_of(engine(answer))
    told = [token for event in events for token in getattr(event, "token_ids", ()) if hasattr(event, "choice")]
    assert told == [*ids(answer), *ids("<|im_end|>")]


def test_two_calls_have_two_ids() -> None:
    events = events_of(engine(f"{CALL}\n{CALL}"))
    assert calls_of(events) == [(0, "add", '{"a": 1}'), (1, "add", '{"a": 1}')]
    assert len({event.call.id for event in events if isinstance(event, ToolCallReady)}) == 2


def test_without_parallel_calls_the_first_ends_the_answer_and_frees_the_engine() -> None:
    over = engine(f"{CALL}\n{CALL}")
    events = events_of(over, parallel=False)
    assert calls_of(events) == [(0, "add", '{"a": 1}')]
    assert finished(events).reason == "tool_calls"
    assert finished(events).usage.completion_tokens < len(ids(CALL))
    assert over.closed == [over.requests[0].request_id]


def test_the_prompt_tells_of_the_tools() -> None:
    over = engine("hello")
    events_of(over)
    prompt = traits.tokenizer().decode(over.requests[0].token_ids, skip_special_tokens=False)
    assert '"name": "add"' in prompt


def test_an_answer_cut_inside_a_call_has_none() -> None:
    events = events_of(engine(CALL), max_tokens=len(ids(CALL)) - 8)
    assert calls_of(events) == []
    assert text_of(events) == ""
    assert finished(events).reason == "length"


def test_a_stop_string_inside_a_call_ends_the_answer_without_it() -> None:
    events = events_of(engine(f"hello{CALL}"), stop='"a"')
    assert calls_of(events) == []
    assert text_of(events) == "hello"
    assert (finished(events).reason, finished(events).stopped_by) == ("stop", '"a"')


def test_a_malformed_call_is_text_and_counted() -> None:
    events = events_of(engine("<tool_call>\nhello\n</tool_call>"))
    assert text_of(events) == "<tool_call>\nhello\n</tool_call>"
    assert (finished(events).reason, finished(events).malformed_calls) == ("stop", 1)


def test_without_tools_a_call_is_text() -> None:
    service = chat(engine(CALL), HERMES_TEMPLATE, calls=HERMES)
    events = asyncio.run(collect(service.stream(ASK)))
    assert text_of(events) == CALL
    assert finished(events).reason == "stop"


def test_glm_calls_end_at_the_observation() -> None:
    stops = ("<|user|>", "<|observation|>")
    over = engine('add\n{"a": 1}<|assistant|>add\n{"a": 2}<|observation|>')
    events = events_of(over, traits.GLM, GLM4, stops=stops)
    assert calls_of(events) == [(0, "add", '{"a": 1}'), (1, "add", '{"a": 2}')]
    assert text_of(events) == ""
    assert finished(events).stopped_by == ids("<|observation|>")[0]


def test_the_first_qwen_stops_where_it_would_make_up_a_result() -> None:
    over = engine(
        'Thought: hello\nAction: add\nAction Input: {"a": 1}\nObservation: 99', "Thought: nice\nFinal Answer: 2"
    )
    service = chat(over, QWEN.chat_template, calls=REACT)
    options = TurnOptions(tools=(ADD,))

    async def talk() -> tuple[Message, Message]:
        first, second = Reply(), Reply()
        for event in await collect(service.stream(ASK, options=options)):
            first.add(event)
        called = first.message()
        result = Message("tool", "2", tool_call_id=called.tool_calls[0].id)
        for event in await collect(service.stream([*ASK, called, result], options=options)):
            second.add(event)
        return called, second.message()

    called, answered = asyncio.run(talk())
    assert (called.content, called.reasoning) == ("", "hello")
    assert [call.arguments for call in called.tool_calls] == ['{"a": 1}']
    assert (answered.content, answered.reasoning) == ("2", "nice")
    prompt = traits.tokenizer().decode(over.requests[1].token_ids, skip_special_tokens=False)
    assert prompt.endswith('Thought: hello\nAction: add\nAction Input: {"a": 1}\nObservation: 2\n')


def test_several_answers_have_calls_of_their_own() -> None:
    events = events_of(engine(CALL, "hello"), n=2)
    assert [event.choice for event in events if isinstance(event, ToolCallReady)] == [0]
    assert [event.reason for event in events if isinstance(event, Finished)] == ["tool_calls", "stop"]


def test_the_ids_of_a_call_are_repeated_in_the_next_prompt() -> None:
    over = engine(f"hello\n{CALL}", "12")
    service = chat(over, HERMES_TEMPLATE, calls=HERMES)
    options = TurnOptions(tools=(ADD,))

    async def talk() -> None:
        reply = Reply()
        for event in await collect(service.stream(ASK, options=options)):
            reply.add(event)
        answer = reply.message()
        result = Message("tool", "2", tool_call_id=answer.tool_calls[0].id)
        await collect(service.stream([*ASK, answer, result], options=options))

    asyncio.run(talk())
    first, second = over.requests
    sampled = (*first.token_ids, *ids(f"hello\n{CALL}"), *ids("<|im_end|>"))
    assert second.token_ids[: len(sampled)] == sampled


def test_a_conversation_keeps_calls_in_its_context() -> None:
    conversation = Conversation(chat(engine(CALL), HERMES_TEMPLATE, calls=HERMES))
    conversation.options = TurnOptions(tools=(ADD,))
    asyncio.run(collect(conversation.send("hello")))
    assert [call.name for call in conversation.context[-1].tool_calls] == ["add"]


def named(name: object, **more: object) -> Mapping[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


@pytest.mark.parametrize(
    ("tools", "kind", "words"),
    [
        ((ADD, ADD), InvalidParameter, "another tool has that name"),
        (({"type": "retrieval"},), InvalidParameter, r"tools\[0\]"),
        (({"type": "function", "function": "add"},), InvalidParameter, r"tools\[0\]"),
        (("add",), InvalidParameter, r"tools\[0\]"),
        ((named(""),), InvalidParameter, "function.name"),
        ((named("a b"),), InvalidParameter, "function.name"),
        ((named(7),), InvalidParameter, "function.name"),
        ((named("x" * 65),), InvalidParameter, "function.name"),
        ((named("add", description=1),), InvalidParameter, "description"),
        ((named("add", parameters=[]),), InvalidParameter, "parameters"),
        ((named("add", parameters={"type": {1, 2}}),), InvalidParameter, "no JSON"),
        ((named("add", parameters={"type": "array"}),), InvalidParameter, 'an "object"'),
        ((named("add", parameters={"type": ["object", "null"]}),), InvalidParameter, 'an "object"'),
        ((named("add", description="\ud800"),), InvalidMessages, "half a character"),
    ],
)
def test_what_is_no_tool_is_refused_before_the_first_event(
    tools: tuple[Any, ...], kind: type[RequestError], words: str
) -> None:
    over = engine("hello")
    service = chat(over, HERMES_TEMPLATE, calls=HERMES)
    with pytest.raises(kind, match=words):
        asyncio.run(collect(service.stream(ASK, options=TurnOptions(tools=tools))))
    assert not over.requests


@pytest.mark.parametrize(
    ("template", "calls", "words"),
    [(traits.CHATML, HERMES, "does not tell it of tools"), (HERMES_TEMPLATE, None, "format")],
)
def test_a_model_that_knows_no_tools_refuses_them_by_name(template: str, calls: ToolFormat | None, words: str) -> None:
    with pytest.raises(UnsupportedFeature, match=words) as raised:
        events_of(engine("hello"), template, calls)
    assert raised.value.feature == "tools"


def test_raw_completion_has_no_tools() -> None:
    service = chat(engine("hello"), HERMES_TEMPLATE, calls=HERMES)
    with pytest.raises(UnsupportedFeature, match="tools"):
        asyncio.run(collect(service.complete("hello", options=TurnOptions(tools=(ADD,)))))


def test_a_text_that_goes_on_is_no_call() -> None:
    begun = [*ASK, Message("assistant", "add")]
    service = chat(engine('\n{"a": 1}'), traits.GLM, calls=GLM4, stops=("<|user|>",))
    events = asyncio.run(collect(service.stream(begun, options=TurnOptions(tools=(ADD,), continue_final=True))))
    assert calls_of(events) == []
