import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing

import pytest

from chat.talk import Turnstile, chat, engine, ids
from duihua.errors import ConversationBusy, GenerationFailed, InvalidMessages
from duihua.sampling import Sampling
from duihua.web.turn import Turn
from duihua.web.visit import Visit, Wishes


def run(scene: Coroutine[object, object, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, 20))


async def to_end(turns: AsyncGenerator[Turn]) -> Turn:
    """The turn, when it has ended."""
    async with aclosing(turns):
        return [turn async for turn in turns][-1]


def said(visit: Visit) -> list[str]:
    return [message.content for message in visit.conversation.context]


def test_a_turn_is_told_as_it_comes_and_once_when_it_has_ended() -> None:
    async def scene() -> None:
        visit = Visit(chat(engine("one two")))
        seen = [(visit.is_answering, "".join(turn.reply.text)) async for turn in visit.ask("hello")]
        assert seen[0] == (True, "")
        assert seen[-1] == (False, "one two")
        assert said(visit) == ["hello", "one two"]

    run(scene())


def test_a_reader_who_is_late_does_not_hold_the_engine() -> None:
    async def scene() -> None:
        over = engine("one two three")
        visit = Visit(chat(over))
        async with aclosing(visit.ask("hello")) as turns:
            turn = await anext(turns)
            for _ in range(100):  # rounds of the loop in which nobody reads on
                await asyncio.sleep(0)
            assert turn.is_complete
        assert said(visit) == ["hello", "one two three"]
        assert not over.closed

    run(scene())


def test_a_stop_from_elsewhere_ends_the_turn_and_keeps_what_was_said() -> None:
    async def scene() -> None:
        gate = Turnstile(4)
        over = engine("one two three", "fine", gate=gate)
        visit = Visit(chat(over))
        asking = asyncio.create_task(to_end(visit.ask("hello")))
        await gate.reached.wait()
        await visit.stop()
        turn = await asking
        assert turn.is_stopped
        assert not turn.unsent
        assert "one two three".startswith(said(visit)[1])
        assert over.closed
        assert not visit.is_answering

    run(scene())


def test_a_stop_at_once_gives_the_text_back() -> None:
    async def scene() -> None:
        visit = Visit(chat(engine("one")))
        async with aclosing(visit.ask("hello")) as turns:
            turn = await anext(turns)
            await visit.stop()  # before the turn's task ran at all
        assert turn.is_stopped
        assert turn.unsent == "hello"
        assert said(visit) == []
        await to_end(visit.ask("again"))
        assert said(visit) == ["again", "one"]

    run(scene())


def test_leaving_the_turns_stops_the_one_that_runs() -> None:
    async def scene() -> None:
        over = engine("one two three", gate=Turnstile(2))
        visit = Visit(chat(over))
        async with aclosing(visit.ask("hello")) as turns:
            async for turn in turns:
                if turn.reply.has_begun:
                    break
        assert over.closed
        assert not visit.is_answering

    run(scene())


def test_a_second_turn_while_one_runs_changes_nothing() -> None:
    async def scene() -> None:
        gate = Turnstile(1)
        visit = Visit(chat(engine("one", gate=gate)))
        asking = asyncio.create_task(to_end(visit.ask("hello")))
        await gate.reached.wait()
        first = visit.turn
        for turns in (visit.ask("me too", Wishes(system="no")), visit.again()):
            with pytest.raises(ConversationBusy):
                await to_end(turns)
        assert visit.turn is first
        assert visit.conversation.system is None
        await visit.stop()
        await asking

    run(scene())


def test_an_error_is_the_turn_s_and_the_next_one_is_answered() -> None:
    async def scene() -> None:
        visit = Visit(chat(engine("one", "two", failure=(1, GenerationFailed("lost")))))
        turn = await to_end(visit.ask("a"))
        assert isinstance(turn.error, GenerationFailed)
        assert turn.unsent == "a"
        assert (await to_end(visit.ask("b"))).error is None
        assert said(visit) == ["b", "two"]

    run(scene())


def test_an_error_nobody_raised_on_purpose_is_the_turn_s_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        visit = Visit(chat(engine()))  # its script has no answer
        turn = await to_end(visit.ask("a"))
        assert turn.error is not None
        assert "Traceback" in caplog.text

    run(scene())


def test_trying_again_asks_the_same_and_keeps_the_new_answer() -> None:
    async def scene() -> None:
        over = engine("one", "two", "three")
        visit = Visit(chat(over))
        await to_end(visit.ask("a"))
        await to_end(visit.ask("b"))
        await to_end(visit.again(Wishes(sampling=Sampling(seed=5))))
        assert said(visit) == ["a", "one", "b", "three"]
        assert over.requests[2].token_ids == over.requests[1].token_ids
        assert over.requests[2].decoding.seed == 5

    run(scene())


def test_trying_again_in_vain_leaves_the_old_answer() -> None:
    async def scene() -> None:
        visit = Visit(chat(engine("one", "two words", failure=(5, GenerationFailed("lost")))))
        await to_end(visit.ask("a"))
        turn = await to_end(visit.again())
        assert turn.error is not None
        assert said(visit) == ["a", "one"]

    run(scene())


def test_there_must_be_an_answer_to_try_again() -> None:
    async def scene() -> None:
        with pytest.raises(InvalidMessages, match="no answer"):
            await to_end(Visit(chat(engine("one"))).again())

    run(scene())


def test_a_new_conversation_stops_what_runs_and_forgets_it() -> None:
    async def scene() -> None:
        gate = Turnstile(2)
        over = engine("one two", "fine", gate=gate)
        visit = Visit(chat(over))
        asking = asyncio.create_task(to_end(visit.ask("hello")))
        await gate.reached.wait()
        await visit.clear()
        await asking
        assert said(visit) == []
        assert visit.conversation.record == ()
        assert visit.turn is None

    run(scene())


def test_wishes_make_the_turn() -> None:
    async def scene() -> None:
        over = engine("one")
        visit = Visit(chat(over))
        await to_end(visit.ask("a", Wishes(system="Be kind.", sampling=Sampling(max_tokens=9))))
        start = ids("<|im_start|>system\nBe kind.<|im_end|>\n")
        assert list(over.requests[0].token_ids[: len(start)]) == start
        assert over.requests[0].decoding.max_tokens == 9

    run(scene())
