"""Large prompts are built beside the event loop, small ones on it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chat.talk import chat, collect, engine, ids
from duihua.chat.prompts import Prompts
from duihua.errors import ContextOverflow, EngineDead, InvalidMessages
from duihua.messages import Message
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.layout import RenderOptions
from duihua.prompt.template import ChatTemplate
from duihua.prompt.window import Window, WindowPolicy
from prompt import traits

SMALL = [Message("user", "hello")]
LARGE = [Message("user", "the weather is nice today, " * 4000)]
HUGE = "the weather is nice today, " * 300_000
ERROR = WindowPolicy(overflow="error")
others: set[threading.Thread] = set()  # of chats of other tests


def in_a_room(use: Callable[[Prompts, PromptEncoder], Awaitable[Any]], size: int = 10**6) -> Any:
    """Use prompts, and see that their thread ends with them."""

    async def run() -> Any:
        others.clear()
        others.update(threads())
        encoder = PromptEncoder(traits.tokenizer(), ChatTemplate(traits.CHATML))
        prompts = Prompts(encoder, Window(encoder, context_window=size))
        try:
            return await use(prompts, PromptEncoder(traits.tokenizer(), ChatTemplate(traits.CHATML)))
        finally:
            await prompts.aclose()
            await prompts.aclose()
            assert not threads()

    return asyncio.run(run())


def threads() -> set[threading.Thread]:
    """Threads of prompts that were not there before."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("duihua-prompts")} - others


def test_a_large_prompt_is_the_same_one() -> None:
    async def use(prompts: Prompts, alone: PromptEncoder) -> None:
        fitted = await prompts.fit(LARGE, ERROR)
        assert threads()
        assert fitted.prompt == alone.encode(LARGE) == await prompts.encode(LARGE, RenderOptions())
        assert await prompts.raw(LARGE[0].content) == alone.encode_raw(LARGE[0].content)

    in_a_room(use)


def test_a_small_prompt_needs_no_thread() -> None:
    async def use(prompts: Prompts, alone: PromptEncoder) -> None:
        assert (await prompts.fit(SMALL, ERROR)).prompt == alone.encode(SMALL)
        assert await prompts.raw("hello") == alone.encode_raw("hello")
        assert not threads()

    in_a_room(use)


def test_a_conversation_that_grows_by_little_stays_on_the_loop() -> None:
    async def use(prompts: Prompts, alone: PromptEncoder) -> None:
        talk: list[Message] = []
        for number in range(12):
            talk += [Message("user", f"{number} " + "hello " * 500), Message("assistant", f"{number} hi")]
            asked = [*talk, *SMALL]
            assert (await prompts.fit(asked, ERROR)).prompt == alone.encode(asked)
        assert sum(len(message.content) for message in talk) > 2 * 16_384
        assert not threads()

    in_a_room(use)


def test_many_messages_are_much_however_short_they_are() -> None:
    async def use(prompts: Prompts, alone: PromptEncoder) -> None:
        talk = SMALL * 1001
        assert (await prompts.fit(talk, ERROR)).prompt == alone.encode(talk)
        assert threads()

    in_a_room(use)


def test_small_prompts_do_not_wait_for_a_large_one_and_the_loop_goes_on() -> None:
    async def use(prompts: Prompts, alone: PromptEncoder) -> None:
        large = asyncio.create_task(prompts.raw(HUGE))
        turns = 0
        await asyncio.sleep(0)
        assert threads()
        for _ in range(20):
            await prompts.fit(SMALL, ERROR)
            await asyncio.sleep(0.001)  # the loop waits, as it does for its clients
            turns += 1
        assert turns == 20
        assert not large.done()
        large.cancel()
        with pytest.raises(asyncio.CancelledError):
            await large
        assert (await prompts.fit(LARGE, ERROR)).prompt == alone.encode(LARGE)  # what was given up blocks nobody

    in_a_room(use)


def test_closing_gives_up_what_is_being_built_and_what_waits() -> None:
    async def use(prompts: Prompts, _: PromptEncoder) -> None:
        tasks = [asyncio.create_task(prompts.raw(HUGE)) for _ in range(3)]
        await asyncio.sleep(0)
        assert threads()
        await prompts.aclose()
        for task in tasks:
            with pytest.raises(EngineDead):
                await task
        with pytest.raises(EngineDead):
            await prompts.fit(LARGE, ERROR)

    in_a_room(use)


def test_errors_come_out_of_the_thread_as_they_are() -> None:
    async def use(prompts: Prompts, _: PromptEncoder) -> None:
        with pytest.raises(ContextOverflow) as raised:
            await prompts.fit([Message("user", HUGE)], ERROR)
        assert raised.value.is_least
        with pytest.raises(InvalidMessages):
            await prompts.fit([*LARGE, *SMALL], ERROR, options=RenderOptions(continue_final=True))

    in_a_room(use, size=1000)


def test_a_chat_takes_large_prompts_and_says_where_they_are_far_too_large() -> None:
    async def run() -> None:
        over = engine("hello", "hello", size=10**6)
        talk = chat(over)
        text = LARGE[0].content
        await collect(talk.stream(LARGE))
        assert over.requests[0].token_ids == await talk.encode(LARGE)
        await collect(talk.complete(text))
        assert list(over.requests[1].token_ids) == ids(text) == list(await talk.tokenize(text))
        assert await talk.detokenize(over.requests[1].token_ids) == text
        await talk.aclose()
        with pytest.raises(EngineDead):
            await collect(talk.stream(LARGE))
        small = chat(engine("hello", size=64))
        for events, limit in ((small.stream(LARGE), 48), (small.complete(HUGE), 63)):
            with pytest.raises(ContextOverflow, match=f"more than {limit} tokens") as raised:
                await collect(events)
            assert (raised.value.prompt_tokens, raised.value.limit) == (limit + 1, limit)
        await small.aclose()

    asyncio.run(run())
