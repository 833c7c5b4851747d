"""Tools, forms and thinking with the `openai` package, against `duihua serve` in a process of its own.

The demo calls tools with sense; a random model calls and writes what it must and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel, Field

from chat.test_schemas import HERMES_TEMPLATE
from checkpoints import make_checkpoint
from e2e.served import Served

FLAGS = {"transformers": (), "vllm": ("--eager",)}
ENGINES = ["transformers", pytest.param("vllm", marks=pytest.mark.slow)]
TAGS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
THINKS = HERMES_TEMPLATE.replace(
    "<|im_start|>assistant\n{% endif %}",
    "<|im_start|>assistant\n{{ '<think>\n' if enable_thinking else '<think>\n\n</think>\n\n' }}{% endif %}",
)
ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Paris?"}]


class Weather(BaseModel):
    """Look up the weather of a city."""

    city: str = Field(description="Name of the city.", max_length=12)


class Mood(BaseModel):
    """How somebody feels."""

    mood: Literal["glad", "sad"]
    strength: int = Field(ge=0, le=9)


def tool_of(name: str, model: type[BaseModel]) -> Any:
    function = {"name": name, "description": model.__doc__, "parameters": model.model_json_schema()}
    return {"type": "function", "function": function}


WEATHER = tool_of("get_weather", Weather)
MOOD = tool_of("note_mood", Mood)


@pytest.fixture(scope="module", params=ENGINES)
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    """A client of the demo."""
    with Served(tmp_path_factory.mktemp("demo"), *FLAGS[request.param], engine=request.param) as served:
        served.listening(within_s=200)
        with OpenAI(base_url=f"http://127.0.0.1:{served.port}/v1", api_key="none", max_retries=0) as client:
            yield client


@pytest.fixture(scope="module", params=ENGINES)
def random(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    """A client of a model without sense, that knows tools and thinking."""
    home = tmp_path_factory.mktemp("random")
    path = make_checkpoint(home / "m", "qwen3", more_tokens=TAGS, template=THINKS, max_position_embeddings=1024, seed=3)
    with Served(home, *FLAGS[request.param], model=str(path), engine=request.param) as served:
        served.listening(within_s=200)
        with OpenAI(base_url=f"http://127.0.0.1:{served.port}/v1", api_key="none", max_retries=0) as client:
            yield client


def streamed(client: OpenAI, **fields: Any) -> tuple[str, list[tuple[str, str]], str | None, Any]:
    """What a stream comes to: content, calls, how it ended, usage."""
    begin: Any = client.chat.completions.stream
    with begin(model=client.models.list().data[0].id, **fields) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    message = final.choices[0].message
    calls = [(call.function.name, call.function.arguments) for call in message.tool_calls or ()]
    return message.content or "", calls, final.choices[0].finish_reason, final.usage


def whole(client: OpenAI, **fields: Any) -> Any:
    create: Any = client.chat.completions.create
    return create(model=client.models.list().data[0].id, **fields)


def calls_of(message: Any) -> list[tuple[str, str]]:
    return [(call.function.name, call.function.arguments) for call in message.tool_calls or ()]


def test_the_loop_of_tools_goes_round(demo: OpenAI) -> None:
    first = whole(demo, messages=ASK, tools=[WEATHER], temperature=0).choices[0]
    assert (first.finish_reason, first.message.content) == ("tool_calls", None)
    assert calls_of(first.message) == [("get_weather", '{"city": "Paris"}')]
    call = first.message.tool_calls[0]
    assert call.id.startswith("call_")
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": '{"weather": "snow"}'}
    talk = [*ASK, first.message, result]
    last = whole(demo, messages=talk, tools=[WEATHER], temperature=0).choices[0]
    assert last.finish_reason == "stop"
    assert "snow" in last.message.content
    assert last.message.tool_calls is None


def test_a_streamed_call_is_the_whole_one(demo: OpenAI) -> None:
    fields: dict[str, Any] = {"messages": ASK, "tools": [WEATHER], "temperature": 0}
    whole(demo, **fields)  # from now on the prompt is cached
    once = whole(demo, **fields)
    content, calls, reason, usage = streamed(demo, **fields, stream_options={"include_usage": True})
    assert (content, calls) == ("", calls_of(once.choices[0].message))
    assert (reason, usage) == ("tool_calls", once.usage)


def test_the_streaming_helper_parses_arguments(demo: OpenAI) -> None:
    tools = [openai.pydantic_function_tool(Weather, name="get_weather")]
    with demo.chat.completions.stream(model="demo", messages=ASK, tools=tools, temperature=0) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion()
    assert [event.parsed_arguments for event in done] == [Weather(city="Paris")]
    assert final.choices[0].message.tool_calls is not None
    parsed = demo.chat.completions.parse(model="demo", messages=ASK, tools=tools, temperature=0).choices[0].message
    assert parsed.tool_calls is not None
    assert parsed.tool_calls[0].function.parsed_arguments == Weather(city="Paris")


def check_forced(client: OpenAI, seed: int) -> None:
    fields: dict[str, Any] = {
        "messages": ASK, "tools": [WEATHER, MOOD], "temperature": 1.0, "top_p": 1.0, "seed": seed,
        "max_completion_tokens": 200,
    }  # fmt: skip
    named = {"type": "function", "function": {"name": "note_mood"}}
    for choice, kinds in (("required", {"get_weather": Weather, "note_mood": Mood}), (named, {"note_mood": Mood})):
        once = whole(client, **fields, tool_choice=choice)
        content, calls, reason, usage = streamed(
            client, **fields, tool_choice=choice, stream_options={"include_usage": True}
        )
        assert (content, reason) == ("", "tool_calls")
        assert once.choices[0].message.content is None
        assert calls == calls_of(once.choices[0].message)
        assert usage.completion_tokens == once.usage.completion_tokens
        ((name, arguments),) = calls
        kinds[name].model_validate_json(arguments)


@pytest.mark.parametrize("seed", range(3))
def test_a_call_that_must_be_has_valid_arguments(demo: OpenAI, seed: int) -> None:
    check_forced(demo, seed)


@pytest.mark.parametrize("seed", range(3))
def test_a_model_without_sense_calls_as_it_must_too(random: OpenAI, seed: int) -> None:
    check_forced(random, seed)


def test_calls_that_may_not_be_parallel_are_one(demo: OpenAI) -> None:
    twice: Any = [{"role": "user", "content": "What is the weather in Paris and in Rome?"}]
    reply = whole(demo, messages=twice, tools=[WEATHER], temperature=0, parallel_tool_calls=False)
    assert len(reply.choices[0].message.tool_calls) == 1


def test_several_answers_call_each_for_itself(demo: OpenAI) -> None:
    reply = whole(demo, messages=ASK, tools=[WEATHER], n=2, temperature=0, logprobs=True)
    assert [len(choice.message.tool_calls) for choice in reply.choices] == [1, 1]
    assert reply.choices[0].message.tool_calls[0].id != reply.choices[1].message.tool_calls[0].id
    assert [choice.logprobs.content for choice in reply.choices] == [[], []]


@pytest.mark.parametrize("seed", range(4))
def test_a_pydantic_model_is_parsed_whole_and_streamed(random: OpenAI, seed: int) -> None:
    model = random.models.list().data[0].id
    fields: dict[str, Any] = {
        "messages": ASK,
        "temperature": 1.0,
        "top_p": 1.0,
        "seed": seed,
        "reasoning_effort": "none",
    }
    parsed = random.chat.completions.parse(model=model, response_format=Mood, **fields).choices[0].message.parsed
    assert isinstance(parsed, Mood)
    with random.chat.completions.stream(model=model, response_format=Mood, **fields) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.parsed == parsed


def test_other_forms_hold_too(random: OpenAI) -> None:
    fields: dict[str, Any] = {"messages": ASK, "temperature": 1.0, "top_p": 1.0, "seed": 1, "max_tokens": 100}

    def said(**form: Any) -> str:
        return whole(random, **fields, extra_body=form).choices[0].message.content

    assert re.fullmatch("[ab]{3}-[0-9]", said(structured_outputs={"regex": "[ab]{3}-[0-9]"}))
    assert said(structured_outputs={"choice": ["yes", "no"]}) in ("yes", "no")
    assert said(guided_choice=["maybe"]) == "maybe"
    assert said(guided_grammar='root ::= "a" [bc] "d"') in ("abd", "acd")
    Mood.model_validate_json(said(guided_json=Mood.model_json_schema()))


def test_thinking_is_told_apart_and_bounded(random: OpenAI) -> None:
    fields: dict[str, Any] = {"messages": ASK, "temperature": 1.0, "seed": 1, "max_tokens": 60}
    bounded = {"reasoning_effort": "high", "extra_body": {"thinking_token_budget": 5}}
    reply = whole(random, **fields, **bounded)
    message = reply.choices[0].message
    assert message.reasoning_content
    assert message.reasoning_content == message.reasoning
    assert 0 < reply.usage.completion_tokens_details.reasoning_tokens <= 6
    deltas = [chunk.choices[0].delta for chunk in whole(random, **fields, **bounded, stream=True)]
    thought = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert (thought, "".join(delta.content or "" for delta in deltas)) == (message.reasoning, message.content)
    for quiet in (
        {"reasoning_effort": "none"},
        {"reasoning_effort": "high", "extra_body": {"thinking_token_budget": 5, "include_reasoning": False}},
    ):
        assert not hasattr(whole(random, **fields, **quiet).choices[0].message, "reasoning_content")


def test_a_form_begins_where_thinking_ends(random: OpenAI) -> None:
    bounded = {"thinking_token_budget": 5, "guided_choice": ["yes", "no"]}
    asked: dict[str, Any] = {"messages": ASK, "reasoning_effort": "high", "temperature": 0, "extra_body": bounded}
    message = whole(random, **asked).choices[0].message
    assert message.reasoning_content
    assert message.content in ("yes", "no")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "b"}}}, "tool_choice.function.name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"not": {}}}}},
         "response_format.json_schema.schema"),
        ({"extra_body": {"structured_outputs": {"regex": "("}}}, "structured_outputs.regex"),
        ({"extra_body": {"structured_outputs": {"grammar": "root ::= b"}}}, "structured_outputs.grammar"),
        ({"functions": [{"name": "a"}]}, "functions"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_the_package_s_error_with_its_place(demo: OpenAI, fields: dict[str, Any], param: str) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            whole(demo, **{"messages": ASK, "stream": stream, **fields})
        assert caught.value.param == param
