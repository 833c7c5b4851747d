"""The chat request as it comes over the wire: OpenAI's fields and vLLM's, each with a type.

The fields are those of `openai` 3.54 (types/chat/completion_create_params.py) and of vLLM 0.26 to 0.33
(entrypoints/openai/chat_completion/protocol.py).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

__all__ = [
    "FIELDS",
    "AllowedTools",
    "ChatRequest",
    "ContentPart",
    "FunctionCall",
    "FunctionIn",
    "ImageUrl",
    "JsonSchemaIn",
    "MessageIn",
    "NameIn",
    "ResponseFormat",
    "StreamOptions",
    "StructuredOutputs",
    "ToolCallIn",
    "ToolChoice",
    "ToolIn",
    "WindowIn",
]


class ImageUrl(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where a picture is, and how closely it is to be looked at."""

    url: str
    detail: Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["auto", "low", "high"]})] | None = None


class ContentPart(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A piece of a message. The fields of kinds that are not read are known, to refuse the kind by its name.

    They are OpenAI's (types/chat/chat_completion_content_part_*_param.py) and vLLM's (renderers/chat_utils.py).
    """

    type: str
    text: str | None = None
    image_url: str | ImageUrl | None = None  # some clients send the URL itself
    prompt_cache_breakpoint: Any = None  # inert
    # Of other kinds
    input_audio: Any = None
    file: Any = None
    refusal: Any = None
    audio_url: Any = None
    video_url: Any = None
    image_embeds: Any = None
    audio_embeds: Any = None
    video_embeds: Any = None
    image_pil: Any = None
    uuid: Any = None
    data: Any = None
    thinking: Any = None
    closed: Any = None
    name: Any = None


class FunctionCall(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a tool call calls."""

    name: str
    arguments: str = "{}"
    parsed_arguments: Any = None  # what the `openai` package's parse() adds, from the arguments


class ToolCallIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A call in an assistant's message."""

    id: str
    function: FunctionCall | None = None
    type: str = "function"
    index: Any = None  # what a stream of calls adds
    custom: Any = None  # of another kind


class MessageIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A message; what the API returns may be sent back as it is."""

    role: str
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCallIn] | None = None
    tool_call_id: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    audio: Any = None
    annotations: Any = None
    function_call: Any = None
    parsed: Any = None  # what the `openai` package's parse() adds, from the content


class StreamOptions(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a stream tells besides its text."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None
    include_obfuscation: bool | None = None


class FunctionIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A function that the model may call."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A tool; of OpenAI's kinds, functions are taken."""

    type: str
    function: FunctionIn | None = None
    custom: Any = None  # of another kind


class NameIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The function of a tool choice."""

    name: str


class AllowedTools(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Those of the tools that may be called this time."""

    mode: Literal["auto", "required"]
    tools: list[dict[str, Any]]


class ToolChoice(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One tool that must be called, or some that may be."""

    type: str
    function: NameIn | None = None
    allowed_tools: AllowedTools | None = None
    custom: Any = None  # of another kind


class JsonSchemaIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A form with a name."""

    name: str
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormat(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the answer is held to, in OpenAI's form; `structures` and `triggers` are vLLM's."""

    type: str
    json_schema: JsonSchemaIn | None = None
    structures: Any = None
    triggers: Any = None
    format: Any = None


class StructuredOutputs(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The same, in vLLM's form (sampling_params.py): one of the first five."""

    json: dict[str, Any] | str | None = None
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    json_object: bool | None = None
    disable_any_whitespace: bool | None = None
    disable_additional_properties: bool | None = None
    whitespace_pattern: str | None = None
    structural_tag: Any = None


class WindowIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The extension `duihua`: what to do when the conversation outgrows the context window."""

    window: Literal["drop", "error"] | None = None
    max_exchanges: int | None = None
    overlong: Literal["head", "tail", "middle"] | None = None


class ChatRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/chat/completions`. What is typed `Any` is looked at in `ask`: most of it has to be inert."""

    messages: list[MessageIn]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    # Sampling
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    seed: int | None = None
    n: int | None = None
    best_of: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    min_tokens: int | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    include_stop_str_in_output: bool | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    prompt_logprobs: int | None = None
    use_beam_search: bool | None = None
    length_penalty: float | None = None
    early_stopping: bool | None = None
    # The prompt
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    truncate_prompt_tokens: int | None = None
    cache_salt: str | None = None
    priority: int | None = None
    return_token_ids: bool | None = None
    duihua: WindowIn | None = None
    # Tools
    tools: list[ToolIn] | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    # The answer's form; guided_* are vLLM's former names
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    guided_json: dict[str, Any] | str | None = None
    guided_regex: str | None = None
    guided_choice: list[str] | None = None
    guided_grammar: str | None = None
    # Thinking
    reasoning_effort: str | None = None
    include_reasoning: bool | None = None
    thinking_token_budget: int | None = None
    # Inert, or refused by name
    user: Any = None
    metadata: Any = None
    store: Any = None
    service_tier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    safety_identifier: Any = None
    functions: Any = None
    function_call: Any = None
    modalities: Any = None
    audio: Any = None
    prediction: Any = None
    verbosity: Any = None
    web_search_options: Any = None
    moderation: Any = None
    bad_words: Any = None
    allowed_token_ids: Any = None
    echo: Any = None
    documents: Any = None
    chat_template: Any = None
    truncation_side: Any = None
    return_tokens_as_token_ids: Any = None
    mm_processor_kwargs: Any = None
    media_io_kwargs: Any = None
    kv_transfer_params: Any = None
    vllm_xargs: Any = None
    ec_transfer_params: Any = None
    add_special_tokens: Any = None
    watermarking: Any = None
    logprob_token_ids: Any = None
    repetition_detection: Any = None
    request_id: Any = None
    session_id: Any = None
    stream_interval: Any = None
    return_token_offsets: Any = None
    return_prompt_text: Any = None
    return_mm_kwargs: Any = None
    mm_payload: Any = None
    routed_experts_prompt_start: Any = None


FIELDS: Final = frozenset(ChatRequest.__struct_fields__)
