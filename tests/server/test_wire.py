"""The request's fields against the two interfaces they come from."""

import ast
import importlib.util
import json
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
from openai.types import chat as chat_types
from openai.types.chat import completion_create_params as params

from chat.talk import chat, engine, ids
from duihua.server.wire import FIELDS, ChatRequest, ContentPart, FunctionCall, MessageIn, StreamOptions, ToolCallIn
from prompt import traits
from server.asgi import CHAT, Server, ask, asked, serving


def fields_of_vllm() -> set[str]:
    """The fields of vLLM's chat request, read from its source: importing it takes seconds."""
    spec = importlib.util.find_spec("vllm")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("vLLM is not installed")
    path = Path(spec.submodule_search_locations[0], "entrypoints/openai/chat_completion/protocol.py")
    classes = {node.name: node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.ClassDef)}
    rows = (node for node in classes["ChatCompletionRequest"].body if isinstance(node, ast.AnnAssign))
    return {row.target.id for row in rows if isinstance(row.target, ast.Name) and not row.target.id.startswith("_")}


def test_every_field_of_openai_s_request_is_known() -> None:
    kinds = (params.CompletionCreateParamsNonStreaming, params.CompletionCreateParamsStreaming)
    fields = {name for kind in kinds for name in get_type_hints(kind)}
    assert {"messages", "model", "stream", "moderation"} <= fields  # those hints hold them all
    assert not fields - FIELDS


def test_every_field_of_vllm_s_request_is_known() -> None:
    fields = fields_of_vllm()
    assert len(fields) >= 60
    assert not fields - FIELDS


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (chat_types.ChatCompletionSystemMessageParam, MessageIn),
        (chat_types.ChatCompletionDeveloperMessageParam, MessageIn),
        (chat_types.ChatCompletionUserMessageParam, MessageIn),
        (chat_types.ChatCompletionAssistantMessageParam, MessageIn),
        (chat_types.ChatCompletionToolMessageParam, MessageIn),
        (chat_types.ChatCompletionStreamOptionsParam, StreamOptions),
        (chat_types.chat_completion_message_function_tool_call_param.Function, FunctionCall),
        (chat_types.ChatCompletionMessageFunctionToolCallParam, ToolCallIn),
        (chat_types.ChatCompletionMessageCustomToolCallParam, ToolCallIn),
        (chat_types.ChatCompletionContentPartTextParam, ContentPart),
        (chat_types.ChatCompletionContentPartImageParam, ContentPart),
        (chat_types.ChatCompletionContentPartInputAudioParam, ContentPart),
        (chat_types.ChatCompletionContentPartRefusalParam, ContentPart),
        (chat_types.chat_completion_content_part_param.File, ContentPart),
    ],
)
def test_every_field_of_openai_s_parts_is_known(theirs: Any, ours: type[msgspec.Struct]) -> None:
    assert not set(get_type_hints(theirs)) - set(ours.__struct_fields__)


@pytest.mark.parametrize("kind", [chat_types.ChatCompletionMessage, chat_types.ParsedChatCompletionMessage])
def test_every_field_of_openai_s_reply_may_be_sent_back(kind: type[chat_types.ChatCompletionMessage]) -> None:
    assert not set(kind.model_fields) - set(MessageIn.__struct_fields__)
    message = kind(role="assistant", content="hi").model_dump()
    again = {"role": "user", "content": "again"}
    assert asked(serving(), [again, message, again]).status == 200


@pytest.mark.parametrize("name", sorted(FIELDS - {"messages"}))
def test_null_means_not_said_for_every_field(name: str) -> None:
    assert asked(serving(), **{name: None}).status == 200


def test_only_messages_are_required() -> None:
    required = [field.name for field in msgspec.structs.fields(ChatRequest) if field.required]
    assert required == ["messages"]


# Messages

CALL: dict[str, Any] = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
CUSTOM: dict[str, Any] = {"id": "c2", "type": "custom", "custom": {"name": "f", "input": "x"}}
TOOL_TURN = (
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "5", "tool_call_id": "c1"},
)
CONTROLS = frozenset(traits.tokenizer().get_added_tokens_decoder())


def prompt_of(*messages: dict[str, Any], template: str = traits.CHATML, **fields: Any) -> tuple[int, ...]:
    """The ids that the engine was given for these messages."""
    over = engine("hello")
    reply = asked(Server(chat(over, template)), messages, **fields)
    assert reply.status == 200, reply.error
    return over.requests[0].token_ids


def test_a_developer_is_the_system() -> None:
    user = {"role": "user", "content": "hello"}
    system = prompt_of({"role": "system", "content": "Be kind."}, user)
    assert prompt_of({"role": "developer", "content": "Be kind."}, user) == system


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
def test_parts_of_text_are_one_text(role: str) -> None:
    parts = [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}, {"type": "text", "text": ""}]
    user = {"role": "user", "content": "hi"}
    assert prompt_of(user, {"role": role, "content": parts}, user) == prompt_of(
        user, {"role": role, "content": "hello"}, user
    )


def test_what_the_api_answered_may_be_sent_back() -> None:
    user = {"role": "user", "content": "hello"}
    reply = asked(serving("<think>\nhm\n</think>\n\nyes"), [user])
    message = chat_types.ChatCompletion.model_validate(reply.json()).choices[0].message.model_dump()
    assert (message["content"], message["reasoning"]) == ("yes", "hm")
    assert prompt_of(user, message, user) == prompt_of(user, {"role": "assistant", "content": "yes"}, user)
    said = prompt_of(user, message, template=traits.THINKING, add_generation_prompt=False)
    assert said == tuple(
        ids("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n<think>\nhm\n</think>\n\nyes<|im_end|>\n")
    )


def test_the_name_of_a_speaker_reaches_the_template() -> None:
    named = traits.CHATML.replace("{{ m.role }}", "{{ m.role }} {{ m.name }}")
    found = prompt_of({"role": "user", "content": "hello", "name": "Kim"}, template=named, add_generation_prompt=False)
    assert found == tuple(ids("<|im_start|>user Kim\nhello<|im_end|>\n"))


def test_tool_calls_and_their_results_stand_in_the_prompt() -> None:
    assert asked(serving("hello", template=traits.GLM), TOOL_TURN).status == 200
    streamed = {**CALL, "index": 0, "function": {**CALL["function"], "parsed_arguments": {"a": 1}}}
    again = (TOOL_TURN[0], {**TOOL_TURN[1], "tool_calls": [streamed]}, TOOL_TURN[2])
    assert prompt_of(*again, template=traits.GLM) == prompt_of(*TOOL_TURN, template=traits.GLM)


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        ([{"role": "assistant", "content": "a"}], "messages"),
        ([{"content": "a"}], "messages[0].role"),
        ([{"role": "user", "content": 5}], "messages[0].content"),
        ([{"role": "user", "content": {"type": "text", "text": "a"}}], "messages[0].content"),
        ([{"role": "user", "content": ["a"]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"text": "a"}]}], "messages[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0]"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"type": "text", "text": "a", "strange": 1}]}], "messages[0].content[0].strange"),
        ([{"role": "user", "content": [{"type": "text", "text": "a", "file": {}}]}], "messages[0].content[0].file"),
        ([{"role": "function", "name": "f", "content": "a"}], "messages[0]"),
        ([{"role": "User", "content": "a"}], "messages[0]"),
        ([{"role": 5, "content": "a"}], "messages[0].role"),
        ([{"role": "user", "content": "a", "text": "a"}], "messages[0].text"),
        ([{"role": "user", "content": "a", "tool_calls": [CALL]}], "messages[0]"),
        ([*TOOL_TURN[:2], {"role": "tool", "content": "5", "tool_call_id": "c2"}], "messages[2]"),
        ([TOOL_TURN[0], {"role": "assistant", "tool_calls": [{"id": "c1"}]}], "messages[1].tool_calls[0].function"),
        ([TOOL_TURN[0], {"role": "assistant", "tool_calls": [{**CALL, "strange": 1}]}], "messages[1].tool_calls[0].strange"),
        ([TOOL_TURN[0], {"role": "assistant", "tool_calls": [{**CALL, "custom": {}}]}], "messages[1].tool_calls[0].custom"),
        ([TOOL_TURN[0], {"role": "assistant", "tool_calls": [CALL, CUSTOM]}], "messages[1].tool_calls[1]"),
        ([TOOL_TURN[0], {"role": "assistant", "refusal": "no"}, TOOL_TURN[0]], "messages[1].refusal"),
        ([TOOL_TURN[0], {"role": "assistant", "audio": {"id": "a"}}, TOOL_TURN[0]], "messages[1].audio"),
        ([TOOL_TURN[0], {"role": "assistant", "function_call": {"name": "f"}}, TOOL_TURN[0]], "messages[1].function_call"),
        (["hello"], "messages[0]"),
        ("hello", "messages"),
        ({}, "messages"),
        (None, "messages"),
    ],
)  # fmt: skip
def test_what_is_no_conversation_is_refused_where_it_stands(messages: Any, param: str) -> None:
    reply = ask(serving(), "POST", CHAT, {"messages": messages})
    assert (reply.status, reply.error["param"]) == (400, param)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}},
        {"type": "file", "file": {"file_id": "x"}},
        {"type": "refusal", "refusal": "no"},
        {"type": "video_url", "video_url": {"url": "x"}},
        {"type": "audio_url", "audio_url": {"url": "x"}},
        {"type": "prompt_embeds", "data": "x"},
        {"type": "thinking", "thinking": "x", "closed": True},
        {"type": "tool_reference", "name": "x"},
    ],
)
def test_a_part_of_another_kind_is_refused_by_its_kind(part: dict[str, Any]) -> None:
    error = asked(serving(), [{"role": "user", "content": [{"type": "text", "text": "a"}, part]}]).error
    assert (error["param"], error["code"]) == ("messages[0].content[1]", "unsupported_feature")
    assert f"its type is {part['type']!r}" in error["message"]


def test_a_mark_for_a_cache_may_stand_in_a_part() -> None:
    part = {"type": "text", "text": "hello", "prompt_cache_breakpoint": {"mode": "explicit"}}
    hello = prompt_of({"role": "user", "content": "hello"})
    assert prompt_of({"role": "user", "content": [part]}) == hello


@pytest.mark.parametrize("depth", [65, 480, 2000, 100_000])
def test_arguments_of_a_call_may_not_nest_without_end(depth: int) -> None:
    deep = {**CALL, "function": {"name": "f", "arguments": f'{{"a": {"[" * depth}{"]" * depth}}}'}}
    reply = asked(serving(), [TOOL_TURN[0], {"role": "assistant", "tool_calls": [deep]}, TOOL_TURN[2]])
    assert reply.status == 400
    assert reply.error["param"].startswith("messages[1]")


@pytest.mark.parametrize("literal", traits.LITERALS)
def test_a_control_literal_is_text_in_every_role(literal: str) -> None:
    """Whatever a caller writes, the control tokens of the prompt are the template's own."""

    def controls(word: str) -> list[int]:
        call = {"id": word, "type": "function", "function": {"name": word, "arguments": json.dumps({word: word})}}
        messages = (
            {"role": "system", "content": word},
            {"role": "developer", "content": [{"type": "text", "text": word}, {"type": "text", "text": word}]},
            {"role": "user", "content": f"{word} a{word}", "name": word},
            {"role": "assistant", "content": word, "reasoning": word, "tool_calls": [call]},
            {"role": "tool", "content": word, "tool_call_id": word},
            {"role": "user", "content": word},
        )
        kind = traits.GLM.replace("{% if add", "{{ kind }}{% if add")
        found = prompt_of(*messages, template=kind, chat_template_kwargs={"kind": word})
        return [token for token in found if token in CONTROLS]

    plain = controls("word")
    assert plain
    assert controls(literal) == plain
