"""Pictures in a chat: to the engine at their places, counted, kept through a conversation, refused by name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chat.talk import Turnstile, chat, collect, engine, ids
from duihua.chat.chat import Chat
from duihua.chat.conversation import Conversation
from duihua.chat.protocol import TurnOptions
from duihua.engine.scripted import ScriptedEngine
from duihua.errors import InvalidMessages, InvalidParameter, UnsupportedFeature
from duihua.events import Event, TurnFinished, TurnStarted
from duihua.image import Image
from duihua.messages import ImageAt, Message
from duihua.prompt.window import WindowPolicy
from prompt import traits
from prompt.dialogues import seeing

CAT, DOG = Image(b"cat", 20, 10, name="cat.png"), Image(b"dog", 8, 6)
ASK = [Message.of("user", ["look: ", CAT, " and ", DOG])]
PICTURE = ids("<|image_pad|>")[0]


def seeing_chat(over: ScriptedEngine) -> Chat:
    return chat(over, traits.SEEING["chatml"][0], encoder=seeing("chatml"))


def run(over: ScriptedEngine, messages: list[Message], options: TurnOptions = TurnOptions()) -> list[Event]:
    return asyncio.run(collect(seeing_chat(over).stream(messages, options=options)))


def test_pictures_reach_the_engine_where_they_stand_and_count_as_the_model_reads_them() -> None:
    over = engine("a cat", max_images=2)
    events = run(over, ASK)
    request = over.requests[0]
    assert [placed.image for placed in request.images] == [CAT, DOG]
    assert [request.token_ids[placed.start : placed.stop] for placed in request.images] == [(PICTURE,), (PICTURE,)]
    assert [placed.tokens for placed in request.images] == [30, 14]
    started, done = events[0], events[-1]
    assert isinstance(started, TurnStarted)
    assert isinstance(done, TurnFinished)
    assert started.prompt_tokens == started.window.prompt_tokens == done.usage.prompt_tokens == request.prompt_tokens
    assert request.prompt_tokens == len(request.token_ids) + 29 + 13
    assert seeing_chat(over).count(ASK) == request.prompt_tokens
    read = asyncio.run(seeing_chat(over).encode(ASK))
    assert (len(read), read.count(PICTURE)) == (request.prompt_tokens, 30 + 14)


def test_a_picture_s_tokens_are_known_before_it_is_sent() -> None:
    assert seeing_chat(engine(max_images=2)).image_tokens(CAT) == 30
    for blind in (chat(engine(max_images=2)), seeing_chat(engine())):
        with pytest.raises(UnsupportedFeature, match="sees none"):
            blind.image_tokens(CAT)


def test_the_room_for_the_answer_is_what_pictures_leave() -> None:
    size = 100
    over = ScriptedEngine([ids("a " * 200)], context_window=size, max_images=2)
    events = run(over, ASK)
    assert isinstance(events[0], TurnStarted)
    assert over.requests[0].decoding.max_tokens == size - events[0].prompt_tokens


def test_a_model_that_sees_nothing_refuses_pictures_everywhere_and_names_one_that_sees() -> None:
    over = engine("a")
    for blind in (seeing_chat(over), chat(over)):
        for ask in (
            lambda blind=blind: asyncio.run(collect(blind.stream(ASK))),
            lambda blind=blind: blind.explain(ASK),
            lambda blind=blind: blind.count(ASK),
            lambda blind=blind: asyncio.run(blind.encode(ASK)),
        ):
            with pytest.raises(UnsupportedFeature, match=r"images is not supported here: .* such as zai-org/GLM"):
                ask()
    assert not over.requests


def test_for_a_picture_too_many_the_oldest_exchanges_go_unless_nothing_may() -> None:
    over = engine("a", max_images=2)
    again = [*ASK, Message("assistant", "a"), Message.of("user", [DOG, "and this?"])]
    (started, *_) = run(over, again)
    assert isinstance(started, TurnStarted)
    assert (started.window.dropped_exchanges, started.window.kept_exchanges) == (1, 1)
    assert [placed.image for placed in over.requests[0].images] == [DOG]
    with pytest.raises(InvalidParameter, match=r"3 pictures.* may hold 2.* raise max_images"):
        run(over, again, TurnOptions(window=WindowPolicy(overflow="error")))


def test_more_pictures_than_one_prompt_may_hold_are_refused_with_both_numbers() -> None:
    over = engine("a", max_images=1)
    with pytest.raises(InvalidParameter, match=r"2 pictures.* may hold 1") as caught:
        run(over, ASK)
    assert caught.value.name == "images"
    with pytest.raises(InvalidParameter, match="2 pictures"):
        seeing_chat(over).explain(ASK)
    assert not over.requests


def test_pictures_that_the_window_drops_do_not_count() -> None:
    over = engine("a", max_images=1)
    history = [Message.of("user", [CAT, "a"]), Message("assistant", "b"), Message.of("user", [DOG])]
    run(over, history, TurnOptions(window=WindowPolicy(max_exchanges=1)))
    assert [placed.image for placed in over.requests[0].images] == [DOG]


def test_a_conversation_keeps_its_pictures_and_the_ids_that_were_sampled() -> None:
    over = engine("hello world", "again", max_images=4)
    conversation = Conversation(seeing_chat(over))

    async def talk() -> None:
        await collect(conversation.send([CAT, "what is it?"]))
        await collect(conversation.send("and now?"))
        await collect(conversation.send([DOG]))

    with pytest.raises(IndexError):  # the script has no third answer
        asyncio.run(talk())
    first, second, third = over.requests
    assert conversation.context[0].parts == (CAT, "what is it?")
    assert [placed.image for placed in second.images] == [CAT]
    assert [placed.image for placed in third.images] == [CAT, DOG]
    told = first.token_ids + tuple(ids("hello world<|im_end|>"))
    assert second.token_ids[: len(told)] == told


def test_a_picture_alone_is_something_to_say_and_nothing_is_not() -> None:
    conversation = Conversation(seeing_chat(engine("a", max_images=1)))
    asyncio.run(collect(conversation.send([CAT])))
    for nothing in ("", [], ["", " "]):
        with pytest.raises(InvalidMessages, match="the message is empty"):
            asyncio.run(collect(conversation.send(nothing)))


def test_what_was_not_sent_is_given_back_with_its_pictures() -> None:
    async def check() -> None:
        gate = Turnstile(0)
        conversation = Conversation(seeing_chat(engine("a", max_images=1, gate=gate)))
        turn = asyncio.create_task(collect(conversation.send(["look", CAT])))
        await gate.reached.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert (conversation.unsent, conversation.unsent_images) == ("look", (ImageAt(4, CAT),))
        conversation.clear()
        assert (conversation.unsent, conversation.unsent_images) == (None, ())

    asyncio.run(check())


def test_an_answer_below_a_picture_goes_on() -> None:
    over = engine("ther is nice", max_images=2)
    run(over, [*ASK, Message("assistant", "the wea")], TurnOptions(continue_final=True))
    assert traits.tokenizer().decode(over.requests[0].token_ids, skip_special_tokens=False).endswith("the wea")
    assert [placed.image for placed in over.requests[0].images] == [CAT, DOG]


def test_an_explanation_shows_the_pictures_of_each_message() -> None:
    talk = seeing_chat(engine("a", max_images=4))
    messages: list[Any] = [*ASK, Message("assistant", "b"), Message("user", "c")]
    explained = talk.explain(messages)
    shown = {part.owner: (part.tokens, part.images) for part in explained.parts if part.role}
    assert [images for _, images in shown.values()] == [(CAT, DOG), (), ()]
    assert sum(part.tokens for part in explained.parts) == explained.window.prompt_tokens == talk.count(messages)
    assert "".join(part.text for part in explained.parts) == explained.text
