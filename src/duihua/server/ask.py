"""A body of JSON to what `Chat` is asked: everything in it is honoured, or refused by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from duihua.chat.protocol import ChatService, ModelInfo, TurnOptions
from duihua.errors import InvalidParameter, UnknownModel
from duihua.messages import Message
from duihua.prompt.window import WindowPolicy
from duihua.sampling import Sampling
from duihua.server.decoding import WrongField, decoded, decoded_leniently
from duihua.server.form import Form, read_form
from duihua.server.functions import read_choice, read_tools
from duihua.server.inert import check_inert
from duihua.server.messages import check_variables, read_messages
from duihua.server.pictures import Wanted
from duihua.server.settings import ServeSettings
from duihua.server.thinking import read_thinking
from duihua.server.wire import ChatRequest

__all__ = ["Ask", "model_named", "read_ask"]

_SAMPLED: Final = (
    "temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty", "seed",
    "n", "best_of", "min_tokens", "stop", "stop_token_ids", "include_stop_str_in_output", "ignore_eos",
    "skip_special_tokens", "spaces_between_special_tokens", "prompt_logprobs", "use_beam_search", "length_penalty",
    "early_stopping",
)  # fmt: skip
_LONGEST_SALT: Final = 128
_LONGEST_STOP: Final = 1024
_LONGEST_ID: Final = 20  # digits of a token id
_LARGEST: Final = 2**63 - 1  # what every engine can count


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One turn that a client asks for."""

    messages: list[Message]
    wanted: list[Wanted]  # pictures of these messages that are still to be read
    sampling: Sampling
    options: TurnOptions
    model: str  # as the reply names it
    is_streamed: bool
    wants_usage: bool  # in a stream
    wants_ids: bool
    shows_thinking: bool = True
    form_field: str = "response_format"  # that asked for the answer's form
    runs: tuple[str, ...] = ()  # names of this server's own tools that are run
    left_out: tuple[str, ...] = ()  # names of unknown fields that a lenient server did not refuse

    @property
    def has_tools(self) -> bool:
        """Whether the answer may call."""
        return bool(self.options.tools) and self.options.tool_choice != "none"

    @property
    def must_call(self) -> bool:
        """Whether the answer is a call, surely."""
        return self.has_tools and self.options.tool_choice != "auto"


def read_ask(
    body: bytes,
    chat: ChatService,
    settings: ServeSettings,
    defaults: Sampling = Sampling(),
    served: Sequence[Mapping[str, Any]] = (),
) -> Ask:
    """What this body asks.

    Args:
        body: JSON.
        chat: what is asked.
        settings: the bounds.
        defaults: of sampling, for what the body does not say.
        served: the tools that the server runs itself, for requests that bring none.

    Raises:
        Refusal: no JSON, or no object.
        RequestError: a field that is unknown, wrong, beyond this server's bounds, or cannot be honoured.
    """
    request, left_out = decoded_leniently(body, ChatRequest) if settings.lenient else (decoded(body, ChatRequest), ())
    check_inert(request)
    _check_bounds(request, settings)
    _check_needs(request)
    model, adapter = model_named(request.model, chat, settings)
    stream_options = request.stream_options
    messages, wanted = read_messages(request.messages)
    form = read_form(request)
    own = read_tools(request.tools or ())
    may_run = () if own or form is not None or request.tool_choice == "none" else served
    tools, choice = read_choice(request.tool_choice, own or may_run)
    if may_run:
        _check_runs(request)
    options = _options(request, adapter, settings, form, chat.info)
    return Ask(
        messages=messages,
        wanted=wanted,
        sampling=_sampling(request).over(defaults),
        options=replace(options, tools=() if may_run else tools, tool_choice=choice),
        model=model,
        is_streamed=bool(request.stream),
        wants_usage=stream_options is not None and bool(stream_options.include_usage),
        wants_ids=bool(request.return_token_ids),
        shows_thinking=request.include_reasoning is not False,
        form_field="response_format" if form is None else form.field,
        runs=tuple(tool["function"]["name"] for tool in tools) if may_run else (),
        left_out=left_out,
    )


def model_named(name: str | None, chat: ChatService, settings: ServeSettings) -> tuple[str, str | None]:
    """The model of this name, and what `TurnOptions.adapter` says it.

    Raises:
        UnknownModel: no model or adapter is called so.
    """
    base = settings.served_name or chat.info.name
    if name is None:
        return chat.info.adapter or base, None
    if name in chat.adapters:
        return name, name
    if name == base:
        return name, ""
    raise UnknownModel(f"The model `{name}` does not exist. There are: {', '.join([base, *chat.adapters])}.")


def _check_bounds(request: ChatRequest, settings: ServeSettings) -> None:
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    for name, size, most in (
        ("messages", len(request.messages), settings.max_messages),
        ("stop", len(stops), settings.max_stop),
        ("tools", len(request.tools or ()), settings.max_tools),
    ):
        if size > most:
            raise WrongField(name, f"this server takes {most} at most, and there are {size}")
    for name, value, least, most in (
        ("n", request.n, 1, settings.max_choices),
        ("best_of", request.best_of, 1, settings.max_choices),
        ("top_logprobs", request.top_logprobs, 0, settings.max_logprobs),
        ("prompt_logprobs", request.prompt_logprobs, 0, settings.max_logprobs),
    ):
        if value is not None and not least <= value <= most:
            raise InvalidParameter(name, value, f"this server takes {least} to {most}")
    if any(len(stop) > _LONGEST_STOP for stop in stops):  # each is looked for at every token
        raise WrongField("stop", f"one is too long: give {_LONGEST_STOP} characters at most")
    for name, number in (("top_k", request.top_k or 0), ("priority", request.priority or 0)):
        if not -_LARGEST <= number + 1 <= _LARGEST + 1:
            raise InvalidParameter(name, number, "give a whole number of 64 bits")
    check_variables(request.chat_template_kwargs)
    if len(request.cache_salt or "") > _LONGEST_SALT:
        raise WrongField("cache_salt", f"it is too long: give {_LONGEST_SALT} characters at most")


def _check_needs(request: ChatRequest) -> None:
    if request.top_logprobs and not request.logprobs:
        raise InvalidParameter("top_logprobs", request.top_logprobs, "it needs logprobs=true")
    if request.prompt_logprobs is not None and request.stream:
        raise InvalidParameter("prompt_logprobs", request.prompt_logprobs, "it needs stream=false")


def _check_runs(request: ChatRequest) -> None:
    """Refuse what a turn in which this server runs tools cannot be."""
    for name, value in (
        ("n", (request.n or 1) > 1),
        ("best_of", (request.best_of or 1) > 1),
        ("continue_final_message", request.continue_final_message),
        ("add_generation_prompt", request.add_generation_prompt is False),
    ):
        if value:
            raise WrongField(name, 'tools are run here for one whole answer: leave it out, or say tool_choice "none"')


def _sampling(request: ChatRequest) -> Sampling:
    asked = {name: value for name in _SAMPLED if (value := getattr(request, name)) is not None}
    limits = {request.max_tokens, request.max_completion_tokens} - {None}
    if len(limits) > 1:
        raise InvalidParameter("max_tokens", request.max_tokens, "max_completion_tokens says otherwise: give one")
    if request.logprobs:
        asked["logprobs"] = request.top_logprobs or 0
    if request.logit_bias:
        asked["logit_bias"] = _biases(request.logit_bias)
    return Sampling(max_tokens=limits.pop() if limits else None, **asked)


def _biases(biases: Mapping[str, float]) -> dict[int, float]:
    read: dict[int, float] = {}
    for token, bias in biases.items():
        if not (token.isascii() and token.isdecimal() and len(token) <= _LONGEST_ID):
            raise WrongField("logit_bias", "its keys have to be token ids, in decimal digits")
        if int(token) in read:
            raise WrongField("logit_bias", f"token {int(token)} stands there twice")
        read[int(token)] = bias
    return read


def _options(
    request: ChatRequest, adapter: str | None, settings: ServeSettings, form: Form | None, info: ModelInfo
) -> TurnOptions:
    if form is not None and request.tools and request.tool_choice != "none":
        raise WrongField(form.field, 'an answer in a form calls no tools: leave tools out, or say tool_choice "none"')
    variables, most_thinking = read_thinking(request, info)
    return TurnOptions(
        window=_window(request, settings),
        variables=variables or None,
        cache_salt=request.cache_salt or "",
        priority=request.priority or 0,
        adapter=adapter,
        generation_prompt=request.add_generation_prompt is not False,
        continue_final=bool(request.continue_final_message),
        parallel_tool_calls=request.parallel_tool_calls is not False,
        form=None if form is None else form.grammar,
        max_thinking_tokens=most_thinking,
    )


def _window(request: ChatRequest, settings: ServeSettings) -> WindowPolicy:
    asked = request.duihua
    overflow = (asked.window if asked is not None else None) or settings.overflow
    limit = request.truncate_prompt_tokens
    if limit is not None:  # whole turns go, where vLLM would cut the prompt's beginning off
        if limit < -1 or limit == 0:
            raise InvalidParameter("truncate_prompt_tokens", limit, "give at least 1, or -1 for the window's own bound")
        if asked is not None and asked.window == "error":
            raise InvalidParameter("truncate_prompt_tokens", limit, "duihua.window='error' says that nothing may go")
        overflow = "drop"
    if asked is not None and asked.max_exchanges is not None and asked.max_exchanges < 1:
        raise InvalidParameter("duihua.max_exchanges", asked.max_exchanges, "keep at least 1; the last is always kept")
    return WindowPolicy(
        overflow=overflow,
        max_exchanges=None if asked is None else asked.max_exchanges,
        overlong=None if asked is None else asked.overlong,
        max_prompt_tokens=None if limit == -1 else limit,
    )
