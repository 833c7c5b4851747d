from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from chat.talk import Turnstile, chat, collect, engine, ids
from duihua.chat.conversation import Conversation
from duihua.chat.fold import Reply
from duihua.engine.scripted import ScriptedEngine
from duihua.errors import ConversationBusy, GenerationFailed, InvalidMessages, InvalidParameter, UnsupportedFeature
from duihua.events import TextDelta, ToolCallDelta, ToolCallReady
from duihua.image import Image
from duihua.messages import ImageAt, Message, ToolCall
from duihua.sampling import Sampling


async def stop_when_held(conversation: Conversation, gate: Turnstile, text: str = "hello") -> None:
    """Start a turn and cancel it once the engine is held."""
    turn = asyncio.create_task(collect(conversation.send(text)))
    await gate.reached.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn


def roles(conversation: Conversation) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in conversation.context]


def with_gate(tokens: int, check: Callable[[Conversation, Turnstile, ScriptedEngine], Awaitable[None]]) -> None:
    async def run() -> None:
        gate = Turnstile(tokens)
        over = engine("one two three", "again", gate=gate)
        await check(Conversation(chat(over)), gate, over)

    asyncio.run(run())


def test_turns_add_up() -> None:
    over = engine("one", "two")
    conversation = Conversation(chat(over), system="Be kind.")

    async def run() -> None:
        await collect(conversation.send("a"))
        await collect(conversation.send("b"))

    asyncio.run(run())
    assert roles(conversation) == [("user", "a"), ("assistant", "one"), ("user", "b"), ("assistant", "two")]
    expected = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\none"
    assert list(over.requests[1].token_ids)[: len(ids(expected))] == ids(expected)


def test_a_stop_keeps_the_partial_answer() -> None:
    async def check(conversation: Conversation, gate: Turnstile, over: ScriptedEngine) -> None:
        await stop_when_held(conversation, gate)
        assert roles(conversation)[0] == ("user", "hello")
        role, text = roles(conversation)[1]
        assert role == "assistant"
        assert "one two three".startswith(text)
        assert text
        assert [entry.outcome for entry in conversation.record] == ["stopped", "stopped"]
        assert conversation.unsent is None
        assert over.closed

    with_gate(3, check)


def test_a_stop_before_the_first_token_gives_the_text_back() -> None:
    async def check(conversation: Conversation, gate: Turnstile, over: ScriptedEngine) -> None:
        await stop_when_held(conversation, gate)
        assert conversation.context == ()
        assert conversation.unsent == "hello"
        assert [entry.outcome for entry in conversation.record] == ["returned"]

    with_gate(0, check)


def test_leaving_the_stream_is_a_stop() -> None:
    async def run() -> Conversation:
        conversation = Conversation(chat(engine("one two three")))
        events = conversation.send("hello")
        async for event in events:
            if isinstance(event, TextDelta):
                break
        await events.aclose()
        return conversation

    conversation = asyncio.run(run())
    assert [entry.outcome for entry in conversation.record] == ["stopped", "stopped"]


def test_leaving_at_the_last_event_is_no_stop() -> None:
    async def run() -> Conversation:
        conversation = Conversation(chat(engine("one")))
        events = conversation.send("hello")
        count = len(await collect(Conversation(chat(engine("one"))).send("hello")))
        for _ in range(count):
            await anext(events)
        await events.aclose()
        return conversation

    assert [entry.outcome for entry in asyncio.run(run()).record] == ["complete", "complete"]


def test_an_error_leaves_the_context_as_it_was() -> None:
    async def run() -> Conversation:
        conversation = Conversation(chat(engine("one", "two", failure=(1, GenerationFailed("lost")))))
        with pytest.raises(GenerationFailed):
            await collect(conversation.send("a"))
        assert conversation.context == ()
        assert conversation.unsent == "a"
        await collect(conversation.send("b"))
        return conversation

    conversation = asyncio.run(run())
    assert conversation.unsent is None
    assert conversation.context[0].content == "b"
    assert conversation.record[0].outcome == "failed"


def test_one_turn_at_a_time() -> None:
    async def check(conversation: Conversation, gate: Turnstile, over: ScriptedEngine) -> None:
        turn = asyncio.create_task(collect(conversation.send("a")))
        await gate.reached.wait()
        with pytest.raises(ConversationBusy):
            await collect(conversation.send("b"))
        with pytest.raises(ConversationBusy):
            conversation.clear()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        conversation.clear()
        assert conversation.context == ()

    with_gate(1, check)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing_to_say_is_refused(text: str) -> None:
    conversation = Conversation(chat(engine("a")))
    with pytest.raises(InvalidMessages):
        asyncio.run(collect(conversation.send(text)))
    assert conversation.record == ()


def test_a_conversation_goes_on_from_one_answer_and_gives_the_text_back() -> None:
    conversation = Conversation(chat(engine("a", "b")), sampling=Sampling(n=2))
    with pytest.raises(InvalidParameter, match="n"):
        asyncio.run(collect(conversation.send("hello")))
    assert conversation.unsent == "hello"


def test_a_turn_that_fails_gives_words_and_pictures_back() -> None:
    image = Image(b"a file", 2, 2)
    conversation = Conversation(chat(engine("one"), template=None))  # a base model: it refuses every message
    with pytest.raises(UnsupportedFeature):
        asyncio.run(collect(conversation.send([image, "what is it?"])))
    assert (conversation.unsent, conversation.unsent_images) == ("what is it?", (ImageAt(0, image),))
    conversation.clear()
    assert (conversation.unsent, conversation.unsent_images) == (None, ())


def test_clearing_keeps_the_system_prompt() -> None:
    conversation = Conversation(chat(engine("one", "two")), system="Be kind.")
    asyncio.run(collect(conversation.send("a")))
    conversation.clear()
    assert (conversation.context, conversation.record, conversation.system) == ((), (), "Be kind.")


def test_a_reply_keeps_the_calls_that_were_completed() -> None:
    call = ToolCall("call_1", "add", '{"a": 1}')
    reply = Reply()
    for event in (
        TextDelta(text="Well."),
        ToolCallDelta(index=0, id="call_1", name="add"),
        ToolCallDelta(index=0, arguments='{"a": 1}'),
        ToolCallReady(index=0, call=call),
        ToolCallDelta(index=1, id="call_2", name="add", arguments='{"a"'),
    ):
        reply.add(event)
    assert reply.message() == Message("assistant", "Well.", tool_calls=(call,))
