"""Fields of a chat request that ask for nothing, or for what this version does not do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from duihua.errors import UnsupportedFeature
from duihua.server.decoding import WrongField
from duihua.server.wire import ChatRequest

__all__ = ["check_inert"]

_LATER: Final = "it comes with a later version"
_ANY: Final = object()
# Field -> the values that ask for nothing (`_ANY`: every value), and why others are refused.
_INERT: Final[Mapping[str, tuple[tuple[Any, ...], str]]] = {
    "user": ((_ANY,), ""),
    "metadata": ((_ANY,), ""),
    "prompt_cache_key": ((_ANY,), ""),
    "prompt_cache_options": ((_ANY,), ""),
    "prompt_cache_retention": ((_ANY,), ""),
    "safety_identifier": ((_ANY,), ""),
    "store": ((False,), "nothing is stored here"),
    "service_tier": (("auto", "default"), "there is one tier: leave it out, or send 'auto'"),
    "functions": (([],), "it is OpenAI's former name: send tools"),
    "function_call": (("none", "auto"), "it is OpenAI's former name: send tool_choice"),
    "modalities": ((["text"],), "answers are text"),
    "audio": ((), "answers are text"),
    "prediction": ((), "a predicted output does not speed up an engine that runs here"),
    "verbosity": (("medium",), "say it in the system message"),
    "web_search_options": ((), "this server looks nothing up"),
    "moderation": ((), "nothing is moderated here"),
    "bad_words": (([],), "use logit_bias with token ids"),
    "allowed_token_ids": ((), "use logit_bias with token ids"),
    "echo": ((False,), "continue_final_message goes on with an answer"),
    "documents": (([],), "put them into a message"),
    "chat_template": ((), "the template is the model's; a request cannot bring its own"),
    "truncation_side": ((), "whole turns are dropped, oldest first"),
    "return_tokens_as_token_ids": ((False,), "send return_token_ids"),
    "mm_processor_kwargs": (({},), _LATER),
    "media_io_kwargs": (({},), _LATER),
    "kv_transfer_params": (({},), "it belongs to vLLM's own server"),
    "vllm_xargs": (({},), "it belongs to vLLM's own server"),
    "ec_transfer_params": (({},), "it belongs to vLLM's own server"),
    "add_special_tokens": ((False,), "the model's template writes what a prompt begins with"),
    "watermarking": ((False,), "answers are not marked"),
    "logprob_token_ids": (([],), "use top_logprobs"),
    "repetition_detection": ((), "use frequency_penalty or repetition_penalty"),
    "request_id": ((), "send it as the header X-Request-Id"),
    "session_id": ((_ANY,), ""),
    "stream_interval": ((1,), "every token is sent when it is there"),
    "return_token_offsets": ((False,), "send return_token_ids"),
    "return_prompt_text": ((False,), "send return_token_ids, and ask /detokenize"),
    "return_mm_kwargs": ((False,), "how pictures were cut up is not told"),
    "mm_payload": (("tensors", "none"), "how pictures were cut up is not told"),
    "routed_experts_prompt_start": ((0,), "no routing is told"),
}


def check_inert(request: ChatRequest) -> None:
    """Refuse by name what would be ignored.

    Raises:
        UnsupportedFeature: a field with a value that asks for something.
        WrongField: `stream_options` without a stream.
    """
    for name, (values, why) in _INERT.items():
        value = getattr(request, name)
        if value is not None and _ANY not in values and not any(_same(value, inert) for inert in values):
            raise UnsupportedFeature(name, why)
    options = request.stream_options
    if options is not None and not request.stream:
        raise WrongField("stream_options", "it needs stream=true")
    if options is not None and options.continuous_usage_stats:
        raise UnsupportedFeature("stream_options.continuous_usage_stats", "usage comes once, in the last chunk")
    if options is not None and options.include_obfuscation:
        raise UnsupportedFeature("stream_options.include_obfuscation", "it only makes chunks longer")


def _same(value: object, inert: object) -> bool:
    return type(value) is type(inert) and value == inert
