import asyncio
from collections.abc import Coroutine
from pathlib import Path

import httpx
import pytest

from chat.talk import ids
from duihua.errors import EngineDead, GenerationFailed
from duihua.prompt.window import WindowPolicy
from duihua.sampling import Sampling
from duihua.web.visit import Wishes
from terminal.adapters import make_adapter
from web.stage import Gate, Visitor, served

# Gradio 6.31 uses what pandas 4 will drop (gradio/queueing.py).
pytestmark = [
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]


def run(scene: Coroutine[object, object, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, 60))


def test_an_answer_streams_and_is_kept() -> None:
    async def scene() -> None:
        async with served("one two three four", "again") as stage:
            visitor = await Visitor.arrive(stage.url)
            await visitor.send("hello")
            assert visitor.conversation == [("user", "hello"), ("assistant", "one two three four")]
            assert "tokens · " in visitor.status
            assert "context " in visitor.status
            assert visitor.order == {"text": "hello", "take": True, "number": 0}
            await visitor.send("and?")
            assert visitor.conversation[-2:] == [("user", "and?"), ("assistant", "again")]
            assert len(visitor.conversation) == 4

    run(scene())


def test_an_answer_is_shown_while_it_streams_and_a_stop_keeps_it() -> None:
    async def scene() -> None:
        gate = Gate(7)
        async with served("one two three four", "fine", gate=gate) as stage:
            visitor = await Visitor.arrive(stage.url)
            sending = asyncio.create_task(visitor.send("hello"))
            await gate.reached.wait()
            await visitor.stop()
            await sending
            assert visitor.pictures[0] == [("user", "hello"), ("assistant", "…")]
            role, partial = visitor.conversation[-1]
            assert role == "assistant"
            assert partial
            assert "one two three four".startswith(partial)
            assert "stopped; what was said is kept" in visitor.status
            assert visitor.order["take"] is True
            assert len(stage.engine.closed) == 1

    run(scene())


def test_a_stop_before_the_first_word_gives_the_text_back() -> None:
    async def scene() -> None:
        gate = Gate(0)
        async with served("one", gate=gate) as stage:
            visitor = await Visitor.arrive(stage.url)
            sending = asyncio.create_task(visitor.send("hello"))
            await gate.reached.wait()
            await visitor.stop()
            await sending
            assert visitor.conversation == []
            assert "your text is back in the box" in visitor.status
            assert (visitor.order["text"], visitor.order["take"]) == ("hello", False)

    run(scene())


def test_visitors_are_answered_at_once_and_do_not_share_a_conversation() -> None:
    async def scene() -> None:
        gate = Gate(0, holding=2)
        async with served("one", "two", gate=gate) as stage:
            first, second = [await Visitor.arrive(stage.url) for _ in range(2)]
            sending = [asyncio.create_task(first.send("a")), asyncio.create_task(second.send("b"))]
            await gate.reached.wait()  # both run, though no token came
            gate.open()
            await asyncio.gather(*sending)
            assert {text for visitor in (first, second) for _, text in visitor.conversation} == {
                "a",
                "b",
                "one",
                "two",
            }
            assert first.conversation[0] == ("user", "a")
            assert second.conversation[0] == ("user", "b")
            assert len(first.conversation) == len(second.conversation) == 2

    run(scene())


def test_a_message_that_cannot_fit_is_refused_and_given_back() -> None:
    async def scene() -> None:
        async with served("fine", size=64) as stage:
            visitor = await Visitor.arrive(stage.url)
            await visitor.send("long " * 100)
            assert 'class="error"' in visitor.status
            assert "the prompt has" in visitor.status
            assert visitor.conversation == []
            assert (visitor.order["text"], visitor.order["take"]) == ("long " * 100, False)
            await visitor.send("short")
            assert visitor.conversation == [("user", "short"), ("assistant", "fine")]
            assert "error" not in visitor.status

    run(scene())


def test_an_error_in_the_middle_keeps_the_conversation_and_folds_what_there_was() -> None:
    async def scene() -> None:
        async with served("first", "second", "third", failure=(6, GenerationFailed("this one is lost"))) as stage:
            visitor = await Visitor.arrive(stage.url)
            await visitor.send("a")
            await visitor.send("b")
            assert visitor.titles == ["Cut by an error; not in the conversation"]
            assert "this one is lost" in visitor.status
            assert (visitor.order["text"], visitor.order["take"]) == ("b", False)
            await visitor.send("c")
            assert visitor.conversation[-1] == ("assistant", "third")
            assert ids("second") != [t for t in stage.engine.requests[-1].token_ids if t in ids("second")][:6]

    run(scene())


def test_a_dead_engine_is_told_with_what_happens_next() -> None:
    async def scene() -> None:
        async with served("first", failure=(2, EngineDead("the worker <ended>"))) as stage:
            visitor = await Visitor.arrive(stage.url)
            await visitor.send("hello")
            assert "the worker &lt;ended&gt;" in visitor.status
            assert "the next message starts the engine again" in visitor.status

    run(scene())


def test_the_panel_makes_the_next_turn() -> None:
    async def scene() -> None:
        wishes = Wishes(sampling=Sampling(top_k=7), window=WindowPolicy(max_exchanges=3))
        async with served("one", "two", wishes=wishes) as stage:
            visitor = await Visitor.arrive(stage.url)
            await visitor.send("a", system="Be kind.", temperature="0.25", max_tokens="50", seed="7", top_p="1")
            asked = stage.engine.requests[-1]
            assert (asked.decoding.temperature, asked.decoding.seed, asked.decoding.top_k) == (0.25, 7, 7)
            start = ids("<|im_start|>system\nBe kind.<|im_end|>\n")
            assert list(asked.token_ids[: len(start)]) == start
            await visitor.send("b")
            assert stage.engine.requests[-1].token_ids[: len(start)] != tuple(start)

    run(scene())


@pytest.mark.parametrize(
    ("panel", "message"),
    [
        ({"temperature": "hot"}, "temperature=&#x27;hot&#x27; is not possible: give a number"),
        ({"top_p": "2"}, "top_p=2 is not possible"),
        ({"max_tokens": "1.5"}, "max_tokens=1.5 is not possible: give a whole number"),
        ({"history_turns": "0"}, "keep at least 1"),
    ],
)
def test_a_setting_that_cannot_be_is_told_and_the_message_is_not_lost(panel: dict[str, str], message: str) -> None:
    async def scene() -> None:
        async with served("one") as stage:
            visitor = await Visitor.arrive(stage.url)
            await visitor.send("hello", **panel)
            assert message in visitor.status
            assert visitor.conversation == []
            assert "order" not in visitor.shown or visitor.order["take"] is False
            assert stage.engine.requests == []

    run(scene())


def test_the_number_of_exchanges_kept_is_the_panel_s() -> None:
    async def scene() -> None:
        async with served("one", "two", "three") as stage:
            visitor = await Visitor.arrive(stage.url)
            for text in ("a", "b", "c"):
                await visitor.send(text, history_turns="1")
            assert "2 oldest turns dropped" in visitor.status
            assert len(visitor.conversation) == 6

    run(scene())


def test_an_adapter_is_chosen_for_a_turn(tmp_path: Path) -> None:
    async def scene() -> None:
        async with served("one", "two", adapters={"pirate": make_adapter(tmp_path / "pirate")}) as stage:
            visitor = await Visitor.arrive(stage.url)
            await visitor.send("a", adapter="pirate")
            await visitor.send("b", adapter="")
            assert [request.adapter for request in stage.engine.requests] == ["pirate", None]

    run(scene())


def test_trying_again_takes_the_old_answer_s_place() -> None:
    async def scene() -> None:
        async with served("one", "two", "three") as stage:
            visitor = await Visitor.arrive(stage.url)
            await visitor.retry()
            assert "there is no answer to try again" in visitor.status
            await visitor.send("a")
            await visitor.retry()
            assert visitor.conversation == [("user", "a"), ("assistant", "two")]
            first, second = stage.engine.requests
            assert first.token_ids == second.token_ids

    run(scene())


def test_a_new_conversation_forgets_the_old_one() -> None:
    async def scene() -> None:
        async with served("one", "two") as stage:
            visitor = await Visitor.arrive(stage.url)
            await visitor.clear()
            await visitor.send("a")
            await visitor.clear()
            assert (visitor.conversation, visitor.status) == ([], "")
            await visitor.send("a")
            assert visitor.conversation == [("user", "a"), ("assistant", "two")]
            first, second = stage.engine.requests
            assert first.token_ids == second.token_ids

    run(scene())


def test_a_new_conversation_ends_the_answer_that_runs_and_stays_empty() -> None:
    async def scene() -> None:
        gate = Gate(5)
        async with served("one two three four", gate=gate) as stage:
            visitor = await Visitor.arrive(stage.url)
            sending = asyncio.create_task(visitor.send("hello"))
            await gate.reached.wait()
            await visitor.clear()
            await sending
            assert stage.engine.closed
            assert all(picture != [] for picture in visitor.pictures)  # the turn drew nothing after it was cleared
            assert "stopped" not in visitor.status

    run(scene())


def test_thinking_is_folded_apart_from_the_answer() -> None:
    async def scene() -> None:
        async with served("<think>well</think>yes", reasoning=("<think>", "</think>")) as stage:
            visitor = await Visitor.arrive(stage.url)
            await visitor.send("hello")
            assert visitor.conversation == [("user", "hello"), ("assistant", "well"), ("assistant", "yes")]
            assert visitor.titles == ["Thinking"]

    run(scene())


def test_texts_stay_data_and_white_space_stays() -> None:
    async def scene() -> None:
        async with served("  <b>two</b>") as stage:
            visitor = await Visitor.arrive(stage.url)
            await visitor.send("a*b*c")
            assert visitor.conversation == [("user", r"a\*b\*c"), ("assistant", "  &lt;b>two&lt;/b>")]

    run(scene())


def test_an_empty_message_does_nothing() -> None:
    async def scene() -> None:
        async with served("one") as stage:
            visitor = await Visitor.arrive(stage.url)
            await visitor.send(" \n")
            assert visitor.shown == {}
            assert stage.engine.requests == []

    run(scene())


def test_a_visitor_who_leaves_stops_the_engine() -> None:
    async def scene() -> None:
        gate = Gate(3)
        async with served("word " * 500, gate=gate) as stage, httpx.AsyncClient(base_url=stage.url) as http:
            config = (await http.get("/config")).json()
            send = next(made for made in config["dependencies"] if made["api_name"] == "send")
            asked = {"session_hash": "visitor", "fn_index": send["id"], "data": [None, "hello", *[""] * 8]}
            await http.post("/gradio_api/queue/join", json=asked)
            async with http.stream("GET", "/gradio_api/queue/data", params={"session_hash": "visitor"}) as stream:
                await anext(stream.aiter_lines())
                await gate.reached.wait()
            while not stage.engine.closed:
                gate.pass_one()
                await asyncio.sleep(0.01)
            assert len(stage.engine.closed) == 1

    run(scene())


def test_the_page_speaks_chinese() -> None:
    async def scene() -> None:
        async with served("one", language="zh") as stage, httpx.AsyncClient(base_url=stage.url) as http:
            page = (await http.get("/")).text
            assert all(text in page for text in ("发送", "停止", "新对话", "系统提示词"))
            visitor = await Visitor.arrive(stage.url)
            await visitor.send("你好")
            assert "上下文" in visitor.status

    run(scene())
