import asyncio
import io
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from chat.talk import Turnstile, chat, engine, ids
from duihua.chat.conversation import Conversation
from duihua.engine.scripted import ScriptedEngine
from duihua.errors import EngineDead, GenerationFailed
from duihua.events import Chunk
from duihua.image import Image
from duihua.prompt.encoder import PromptEncoder
from duihua.request import GenerationRequest
from duihua.sampling import Sampling
from duihua.terminal.compare import run_compare
from duihua.terminal.output import Output, screen_of
from duihua.terminal.session import Session
from duihua.terminal.texts import Say
from prompt.dialogues import seeing
from terminal.adapters import make_adapter
from terminal.person import CTRL_C, Sit

DONE = "none of this is in the conversation's context: it goes on as it was"


def in_voices(request: GenerationRequest) -> Sequence[int]:
    """Each adapter says its own name."""
    return ids(f"I am {request.adapter or 'plain'}")


def session_over(
    over: ScriptedEngine, *, sampling: Sampling = Sampling(), encoder: PromptEncoder | None = None
) -> tuple[Session, io.StringIO]:
    stream = io.StringIO()
    screen = screen_of(stream, color=False)
    conversation = Conversation(chat(over, encoder=encoder), sampling=sampling)
    return Session(conversation=conversation, output=Output(screen, screen), say=Say("en")), stream


async def load(session: Session, path: Path, *names: str) -> None:
    for name in names:
        await session.conversation.chat.load_adapter(name, path)


async def say(session: Session, text: str) -> None:
    async for _ in session.conversation.send(text):
        pass


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return make_adapter(tmp_path / "adapter")


def answers_in(shown: str) -> list[tuple[str, str]]:
    """(header, first line of the answer) of each part."""
    lines = shown.splitlines()
    return [(line.removeprefix("── "), lines[index + 1]) for index, line in enumerate(lines) if line.startswith("── ")]


def test_base_and_adapters_answer_one_under_another_and_nothing_is_kept(adapter: Path) -> None:
    over = ScriptedEngine(in_voices, context_window=4096)
    session, stream = session_over(over)

    async def talk() -> None:
        await load(session, adapter, "pirate", "poet")
        await say(session, "hello")
        before = session.conversation.context, session.conversation.record, session.conversation.options
        await run_compare(session, "who are you?")
        assert (session.conversation.context, session.conversation.record, session.conversation.options) == before

    asyncio.run(talk())
    shown = stream.getvalue()
    assert answers_in(shown) == [
        ("the base model · in use", "I am plain"),
        ("pirate", "I am pirate"),
        ("poet", "I am poet"),
    ]
    assert shown.splitlines()[-1] == DONE
    assert shown.count("first token") == 3
    assert shown.count("tok/s") == 3  # each by the moments at which its own tokens came


def test_all_are_asked_the_same_with_the_same_sampling_in_the_present_context(adapter: Path) -> None:
    over = ScriptedEngine(in_voices, context_window=4096)
    session, _ = session_over(over, sampling=Sampling(seed=7, temperature=0.5))
    session.conversation.system = "Be brief."

    async def talk() -> None:
        await load(session, adapter, "pirate")
        await say(session, "hello")
        await run_compare(session, "who are you?")
        await say(session, "who are you?")

    asyncio.run(talk())
    _, base, pirate, after = over.requests
    assert [request.adapter for request in (base, pirate, after)] == [None, "pirate", None]
    assert base.token_ids == pirate.token_ids == after.token_ids
    assert base.decoding == pirate.decoding == after.decoding
    assert base.decoding.seed == 7


def test_pictures_are_asked_again_with_their_message_and_stay_staged(adapter: Path) -> None:
    over = ScriptedEngine(in_voices, context_window=4096, max_images=2)
    session, stream = session_over(over, encoder=seeing("chatml"))
    cat, dog = Image(b"cat", 6, 4, name="cat.png"), Image(b"dog", 6, 4, name="dog.png")

    async def talk() -> None:
        await load(session, adapter, "pirate")
        async for _ in session.conversation.send([cat, "what is it?"]):
            pass
        session.stage([dog])
        await run_compare(session, "")
        await run_compare(session, "and this?")

    asyncio.run(talk())
    seen = [[placed.image for placed in request.images] for request in over.requests]
    assert seen == [[cat]] * 3 + [[cat, dog]] * 2
    assert session.pictures == [dog]
    assert "> [cat.png 6x4] what is it?" in stream.getvalue()


def test_the_answers_are_generated_side_by_side(adapter: Path) -> None:
    gate = Turnstile(2)
    over = engine("one two three", "four five six", gate=gate)
    session, _ = session_over(over)

    async def talk() -> None:
        await load(session, adapter, "pirate")
        comparing = asyncio.create_task(run_compare(session, "count"))
        await gate.reached.wait()
        assert len(over.requests) == 2
        comparing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await comparing
        assert len(over.closed) == 2

    asyncio.run(talk())


def test_alone_it_compares_the_answers_to_the_last_message_again(adapter: Path) -> None:
    over = ScriptedEngine(in_voices, context_window=4096)
    session, stream = session_over(over)

    async def talk() -> None:
        await load(session, adapter, "pirate")
        await say(session, "first")
        await say(session, "second\nof two lines")
        await run_compare(session, "")

    asyncio.run(talk())
    _, second, base, pirate = over.requests
    assert base.token_ids == pirate.token_ids == second.token_ids
    assert stream.getvalue().startswith("> second of two lines\n")


def test_without_an_adapter_or_a_message_it_says_what_is_missing(adapter: Path) -> None:
    session, stream = session_over(engine())
    asyncio.run(run_compare(session, "hello"))
    assert stream.getvalue() == "there is no adapter to compare with: /lora load DIR loads one\n"
    asyncio.run(load(session, adapter, "pirate"))
    asyncio.run(run_compare(session, ""))
    assert stream.getvalue().endswith("there is no message yet to compare answers to: write /compare TEXT\n")


def test_an_answer_that_fails_has_its_error_in_its_place(adapter: Path) -> None:
    over = engine("one two", "three", "four", failure=(2, GenerationFailed("this one is lost")))
    session, stream = session_over(over)

    async def talk() -> None:
        await load(session, adapter, "pirate", "poet")
        await run_compare(session, "count")

    asyncio.run(talk())
    lines = stream.getvalue().splitlines()
    at = [lines.index(header) for header in ("── the base model · in use", "── pirate", "── poet")]
    assert "error: this one is lost" in lines[at[0] : at[1]]
    assert lines[at[1] + 1] == "three"
    assert lines[at[2] + 1] == "four"
    assert lines[-1] == DONE


def test_an_error_nobody_raised_on_purpose_is_in_its_place_as_well(adapter: Path) -> None:
    session, stream = session_over(engine("only"))  # the second answer fails inside the engine

    async def talk() -> None:
        await load(session, adapter, "pirate")
        await run_compare(session, "count")

    asyncio.run(talk())
    assert answers_in(stream.getvalue())[0][1] == "only"
    assert answers_in(stream.getvalue())[1][1].startswith("unexpected IndexError")


def test_an_engine_that_dies_is_told_in_each_place_and_the_cure_once(adapter: Path) -> None:
    session, stream = session_over(engine("one two", "three four", failure=(2, EngineDead("the worker ended"))))

    async def talk() -> None:
        await load(session, adapter, "pirate")
        await run_compare(session, "count")

    asyncio.run(talk())
    assert stream.getvalue().count("error: ") == 2
    assert stream.getvalue().count("starts the engine again") == 1


class _Fragile(ScriptedEngine):
    """Dies under the base model only."""

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        if request.adapter is None:
            raise EngineDead("the worker ended")
        async with aclosing(super().generate(request)) as chunks:
            async for chunk in chunks:
                yield chunk


def test_an_engine_that_died_under_one_answer_is_told_of_after_the_others(adapter: Path) -> None:
    session, stream = session_over(_Fragile(in_voices))

    async def talk() -> None:
        await load(session, adapter, "pirate")
        await run_compare(session, "count")

    asyncio.run(talk())
    assert answers_in(stream.getvalue())[1] == ("pirate", "I am pirate")
    assert stream.getvalue().count("starts the engine again") == 1


def test_ctrl_c_stops_every_answer(adapter: Path) -> None:
    gate = Turnstile(6)
    over = engine("one two three four", "one two three four", gate=gate)
    session, stream = session_over(over)

    async def talk() -> None:
        await load(session, adapter, "pirate")
        comparing = asyncio.create_task(run_compare(session, "count"))
        await gate.reached.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await comparing

    asyncio.run(talk())
    assert len(over.closed) == 2
    assert stream.getvalue().splitlines()[-1] == "stopped; the conversation's context is as it was"
    assert session.conversation.context == ()


def test_a_clamped_answer_is_told_once(adapter: Path) -> None:
    over = ScriptedEngine(in_voices, context_window=120)
    session, stream = session_over(over, sampling=Sampling(max_tokens=500))

    async def talk() -> None:
        await load(session, adapter, "pirate")
        await run_compare(session, "who are you?")

    asyncio.run(talk())
    assert stream.getvalue().count("max_tokens 500 is more") == 1


def test_a_comparison_is_shown_stopped_and_forgotten(sit: Sit, tmp_path: Path) -> None:
    make_adapter(tmp_path / "pirate")
    person = sit("one", "two", "three four five", "six seven eight", "--hold-after", "14")
    person.say("/lora load ~/pirate")
    person.say("/compare count")
    person.sees_line("── the base model")
    person.sees_line("one")
    person.sees_line("── pirate · in use")
    person.sees_line("two")
    person.sees("none of this is in the conversation's context")
    person.say("/compare again")
    person.sees("\nth")
    person.type(CTRL_C)
    person.sees("stopped; the conversation's context is as it was")
    person.sees_line("pirate>")
    person.say("/context")
    person.sees("nothing was said yet")
