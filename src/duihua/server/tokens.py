"""`POST /tokenize` and `/detokenize`, with vLLM's fields."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec

from duihua.chat.protocol import TurnOptions
from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.messages import Message
from duihua.prompt.memo import characters_of
from duihua.prompt.window import WindowPolicy
from duihua.server.ask import model_named
from duihua.server.decoding import WrongField, decoded
from duihua.server.exchange import Exchange
from duihua.server.functions import read_tools
from duihua.server.messages import check_variables, read_messages
from duihua.server.pictures import Wanted
from duihua.server.service import Service
from duihua.server.settings import ServeSettings
from duihua.server.wire import MessageIn, ToolIn

__all__ = ["DetokenizeRequest", "TokenizeRequest", "detokenize", "tokenize"]

_LONGEST: Final = 2**20  # characters; what is longer is counted in parts
_RUN: Final = 10_000  # ids that are written at once; more are written in a thread, run by run


class TokenizeRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A raw prompt, in which control literals are control tokens, or messages, in which they stay text."""

    model: str | None = None
    prompt: str | None = None
    messages: list[MessageIn] | None = None
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    return_token_strs: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    tools: list[ToolIn] | None = None


class DetokenizeRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The ids of a text."""

    tokens: list[int]
    model: str | None = None


async def tokenize(service: Service, exchange: Exchange) -> None:
    """The ids of a text or of a conversation, nothing dropped, as many for a picture as the model reads.

    Raises:
        RequestError: neither or both of `prompt` and `messages`, or what the conversation itself is refused for.
        EngineBusy, Refusal, TimeoutError: there are pictures, and no room or no time for them.
    """
    asked = decoded(await exchange.body(service.settings.max_body_bytes), TokenizeRequest)
    model_named(asked.model, service.chat, service.settings)
    _check(asked, service.settings)
    if asked.prompt is not None:
        _check_length("prompt", len(asked.prompt))
        ids = await _unless_left(exchange, service.chat.tokenize(asked.prompt))
    else:
        options = TurnOptions(
            window=WindowPolicy(overflow="error"),
            variables=asked.chat_template_kwargs or None,
            generation_prompt=asked.add_generation_prompt is not False,
            continue_final=bool(asked.continue_final_message),
            tools=read_tools(asked.tools or ()),
        )
        messages, wanted = read_messages(asked.messages or [])
        service.pictures.check(wanted, service.chat.info)
        _check_length("messages", sum(map(characters_of, messages)))
        ids = await _unless_left(exchange, _encoded(service, messages, wanted, options))
    if ids is None:
        return
    window, bytes_of = service.chat.info.context_window, service.chat.token_bytes if asked.return_token_strs else None
    if len(ids) <= _RUN:
        body = _reply(ids, window, bytes_of)
    else:
        body = await asyncio.to_thread(_reply, ids, window, bytes_of)
    await exchange.reply(body)


async def _encoded(
    service: Service, messages: list[Message], wanted: Sequence[Wanted], options: TurnOptions
) -> tuple[int, ...]:
    """The ids of a conversation as the model reads it, after its pictures were read.

    With pictures it is admitted as a turn is, and has as long: they may have to be fetched.
    """
    if not wanted:
        return await service.chat.encode(messages, options)
    with service.running.job() as job:
        try:
            async with asyncio.timeout(service.settings.deadline_seconds):
                messages = await service.pictures.shown(messages, wanted)
                return await service.chat.encode(messages, options)
        except asyncio.CancelledError:
            if not job.is_cancelled_by_us() or job.ended_by is None:
                raise
            raise job.ended_by from None


async def _unless_left(exchange: Exchange, work: Coroutine[Any, Any, tuple[int, ...]]) -> tuple[int, ...] | None:
    """What the work gives; it is given up, and gives nothing, where the client leaves before it is done."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(exchange.left())
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        leaving.cancel()


def _reply(ids: Sequence[int], window: int, bytes_of: Callable[[int], bytes] | None) -> bytes:
    runs = [ids[start : start + _RUN] for start in range(0, len(ids), _RUN)]
    tokens = [msgspec.json.encode(run)[1:-1] for run in runs]
    head = f'{{"count":{len(ids)},"max_model_len":{window},"tokens":['.encode()
    if bytes_of is None:
        return b"".join((head, b",".join(tokens), b'],"token_strs":null}'))
    strings = [msgspec.json.encode([bytes_of(i).decode("utf-8", "replace") for i in run])[1:-1] for run in runs]
    return b"".join((head, b",".join(tokens), b'],"token_strs":[', b",".join(strings), b"]}"))


def _check_length(name: str, characters: int) -> None:
    if characters > _LONGEST:
        raise WrongField(name, f"give {_LONGEST} characters at once at most; there are {characters}")


def _check(asked: TokenizeRequest, settings: ServeSettings) -> None:
    if (asked.prompt is None) == (asked.messages is None):
        raise WrongField("prompt", "give either prompt or messages")
    for name, most in (("messages", settings.max_messages), ("tools", settings.max_tools)):
        if (size := len(getattr(asked, name) or ())) > most:
            raise WrongField(name, f"this server takes {most} at most, and there are {size}")
    check_variables(asked.chat_template_kwargs)
    if asked.add_special_tokens:
        raise UnsupportedFeature("add_special_tokens", "text is taken as it is: write the tokens into a raw prompt")
    for name in ("add_generation_prompt", "continue_final_message", "chat_template_kwargs", "tools"):
        if asked.prompt is not None and getattr(asked, name):
            raise WrongField(name, "it belongs to messages: a raw prompt is rendered by no template")


async def detokenize(service: Service, exchange: Exchange) -> None:
    """The text of these ids.

    Raises:
        InvalidParameter: an id that the model does not have.
    """
    asked = decoded(await exchange.body(service.settings.max_body_bytes), DetokenizeRequest)
    model_named(asked.model, service.chat, service.settings)
    size = service.chat.info.engine.vocabulary_size
    beyond = [token_id for token_id in asked.tokens if not 0 <= token_id < size]
    if beyond:
        raise InvalidParameter("tokens", beyond[0], f"the model's token ids are 0 to {size - 1}")
    await exchange.reply(msgspec.json.encode({"prompt": await service.chat.detokenize(asked.tokens)}))
