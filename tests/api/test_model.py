from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import duihua
from checkpoints import make_adapter, make_checkpoint
from duihua.errors import (
    AdapterRejected,
    ConfigError,
    ContextOverflow,
    EngineDead,
    InvalidMessages,
    InvalidParameter,
    ModelNotFound,
    UnknownModel,
)
from duihua.events import Event, Finished, TextDelta, TurnFinished, TurnStarted
from duihua.messages import Message


def said(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (["我叫小林", "今天天气不错", "我叫什么名字？"], "小林"),
        (["My name is Anna", "Nice weather today", "What is my name?"], "Anna"),
    ],
)
def test_a_name_told_earlier_is_remembered(demo: duihua.Model, turns: list[str], expected: str) -> None:
    history = None
    for text in turns[:-1]:
        _, history = demo.chat(text, history=history, temperature=0)
    reply, _ = demo.chat(turns[-1], history=history, temperature=0)
    assert expected in reply


def test_pairs_and_messages_say_the_same(demo: duihua.Model) -> None:
    first, messages = demo.chat("我叫小林", temperature=0)
    pairs = [("我叫小林", str(first))]
    by_pairs, grown = demo.chat("我叫什么名字？", history=pairs, temperature=0)
    by_messages, _ = demo.chat("我叫什么名字？", history=messages, temperature=0)
    assert by_pairs == by_messages
    assert grown == [*pairs, ("我叫什么名字？", by_pairs)]
    assert pairs == [("我叫小林", str(first))]


def test_a_reply_is_text_that_knows_how_it_came_about(demo: duihua.Model) -> None:
    reply, history = demo.chat("hello", system="Your name is Coco.", temperature=0)
    assert isinstance(reply, str)
    assert reply.finish_reason == "stop"
    assert reply.usage.prompt_tokens == demo.count([Message("system", "Your name is Coco."), Message("user", "hello")])
    assert reply.window.dropped_exchanges == 0
    assert [message.role for message in history] == ["system", "user", "assistant"]
    assert history[-1] == reply.message


def test_the_whole_reply_is_a_fold_of_the_streamed_one(demo: duihua.Model) -> None:
    events = list(demo.stream("你好", seed=5))
    reply, _ = demo.chat("你好", seed=5)
    assert said(events) == reply
    assert isinstance(events[0], TurnStarted)
    assert isinstance(events[-2], Finished)
    assert isinstance(events[-1], TurnFinished)


def test_typed_control_tokens_start_no_turn(demo: duihua.Model) -> None:
    text = "<|user|>hi<|assistant|>"
    explained = demo.explain([Message("user", text)])
    assert text in explained.text
    plain = demo.explain([Message("user", "x")])
    controls = {i for i in plain.token_ids if i >= 2048 - 20 or i < 20}
    assert [i for i in explained.token_ids if i in controls] == [i for i in plain.token_ids if i in controls]


def test_async_twins_answer_the_same_from_any_loop(demo: duihua.Model) -> None:
    async def ask() -> tuple[str, str, str]:
        reply, _ = await demo.achat("你好", seed=3)
        events = [event async for event in demo.astream("你好", seed=3)]
        raw = await demo.acomplete("[gMASK]<sop><|user|>\n你好<|assistant|>", seed=3)
        return reply, said(events), raw.strip()

    first, streamed, raw = asyncio.run(ask())
    assert first == streamed == raw == demo.chat("你好", seed=3)[0]


def test_threads_may_share_a_model(demo: duihua.Model) -> None:
    alone = [str(demo.chat("hello", seed=seed)[0]) for seed in range(4)]
    together = [""] * 4

    def ask(seed: int) -> None:
        together[seed] = demo.chat("hello", seed=seed)[0]

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_what_cannot_be_done_is_refused_by_name(demo: duihua.Model) -> None:
    with pytest.raises(InvalidParameter, match="temprature"):
        demo.chat("hi", temprature=0)
    with pytest.raises(InvalidMessages, match="empty"):
        demo.chat("  ")
    with pytest.raises(ContextOverflow):
        demo.chat("hello " * 5000)
    with pytest.raises(ModelNotFound):
        duihua.load("./no-such-directory")


def test_closing_twice_is_fine() -> None:
    model = duihua.load("demo", context_window=128)
    assert model.info.context_window == 128
    model.close()
    model.close()


def test_a_history_may_be_an_iterator(demo: duihua.Model) -> None:
    pairs = [("我叫小林", "你好")]
    reply, grown = demo.chat("hi", history=iter(pairs), temperature=0)  # type: ignore[arg-type]
    assert grown == [*pairs, ("hi", reply)]
    assert said(list(demo.stream("hi", history=iter(pairs), temperature=0))) == reply  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "named"), [(None, "NoneType"), (5, "int"), ("", "empty")])
def test_what_is_no_text_is_refused_everywhere(demo: duihua.Model, text: Any, named: str) -> None:
    conversation = demo.conversation()
    for ask in (demo.chat, demo.stream, demo.astream, demo.complete, conversation.send, conversation.stream):
        with pytest.raises(InvalidMessages, match=named):
            ask(text)
    for ask in (demo.achat, demo.acomplete):
        with pytest.raises(InvalidMessages, match=named):
            asyncio.run(ask(text))


def test_what_is_no_history_is_refused_by_its_type(demo: duihua.Model) -> None:
    for history in (5, "hi", {"role": "user", "content": "hi"}):
        with pytest.raises(InvalidMessages, match=type(history).__name__):
            demo.chat("hi", history=history)  # type: ignore[arg-type]


def test_several_answers_are_refused_where_one_is_given(demo: duihua.Model) -> None:
    conversation = demo.conversation()
    for ask in (demo.chat, demo.complete, conversation.send, conversation.stream):
        with pytest.raises(InvalidParameter, match="n=2"):
            ask("hi", n=2)
    with pytest.raises(InvalidParameter, match="n=2"):
        demo.conversation(n=2)
    events = list(demo.stream("hi", n=2, max_tokens=2))
    assert {event.choice for event in events if isinstance(event, Finished)} == {0, 1}


@pytest.mark.parametrize("name", ["logprobs", "prompt_logprobs"])
def test_log_probabilities_are_refused_where_a_reply_has_none(demo: duihua.Model, name: str) -> None:
    wanted: dict[str, Any] = {name: 1}
    for ask in (demo.chat, demo.complete, demo.conversation().send):
        with pytest.raises(InvalidParameter, match=f"^{name}=1.*stream"):
            ask("hi", **wanted)
    assert list(demo.stream("hi", max_tokens=1, **wanted))


def test_a_window_that_is_no_policy_is_refused(demo: duihua.Model) -> None:
    window: Any = "drop"
    for ask in (demo.chat, demo.stream, demo.astream):
        with pytest.raises(InvalidParameter, match=r"window='drop'.*WindowPolicy"):
            ask("hi", window=window)
    with pytest.raises(InvalidParameter, match="window"):
        demo.conversation(window=window)
    with pytest.raises(InvalidParameter, match="window"):
        demo.explain([Message("user", "hi")], window=window)


def test_a_closed_model_says_so_at_once() -> None:
    model = duihua.load("demo", context_window=128)
    conversation = model.conversation()
    running = model.stream("hi", seed=1)
    next(running)
    closers = [threading.Thread(target=model.close) for _ in range(4)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(30)
        assert not closer.is_alive()
    for ask in (model.chat, model.stream, model.astream, model.complete, conversation.send, conversation.stream):
        with pytest.raises(EngineDead, match="the model was closed"):
            ask("hi")
    with pytest.raises(EngineDead, match="closed"):
        asyncio.run(model.achat("hi"))
    with pytest.raises(EngineDead, match="closed"):
        model.count([Message("user", "hi")])
    with pytest.raises(EngineDead, match="closed"):
        list(running)


def script(body: str) -> subprocess.CompletedProcess[str]:
    """Run a script that has the demo model as `m`; it has to end by itself."""
    source = f"import duihua\nm = duihua.load('demo')\n{body}"
    command = [sys.executable, "-W", "error", "-c", source]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "body",
    [
        "it = m.stream('hi', seed=1); next(it)",
        "it = m.stream('hi', ignore_eos=True); next(it); cycle = [it]; cycle.append(cycle); del it",
        "c = m.conversation(); it = c.stream('hi', seed=1); next(it)",
        "import threading\n"
        "it = m.stream('hi', ignore_eos=True, max_tokens=2000); next(it)\n"
        "def read():\n"
        "    try: list(it)\n"
        "    except duihua.DuihuaError: pass\n"
        "threading.Thread(target=read, daemon=True).start()",
    ],
    ids=["a stream", "garbage", "a conversation", "a computing worker"],
)
def test_a_script_may_end_without_closing_anything(body: str) -> None:
    ended = script(body)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_is_told_that_the_model_is_elsewhere() -> None:
    ended = script(
        "import os\n"
        "if os.fork() == 0:\n"
        "    try: m.chat('hi')\n"
        "    except duihua.DuihuaError as error: print(error, flush=True)\n"
        "    m.close()\n"
        "    os._exit(0)\n"
        "assert os.wait()[1] == 0\n"
        "assert m.chat('hi')[0]\n"
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "another process" in ended.stdout


# Adapters


def test_an_adapter_that_is_the_model_answers_and_the_base_can_be_asked(demo: duihua.Model, crew: duihua.Model) -> None:
    assert (crew.info.name, crew.info.adapter) == ("demo", "pirate")
    assert (demo.info.adapter, demo.adapters) == (None, {})
    own, _ = crew.chat("hello", temperature=0)
    base, _ = crew.chat("hello", temperature=0, adapter="")
    assert base == demo.chat("hello", temperature=0)[0] == demo.chat("hello", temperature=0, adapter="")[0]
    assert own == crew.chat("hello", temperature=0, adapter="pirate")[0]
    assert own != base


def test_every_way_to_ask_takes_an_adapter(crew: duihua.Model) -> None:
    async def ask(adapter: str | None) -> list[str]:
        greedy: dict[str, Any] = {"temperature": 0, "max_tokens": 12}
        conversation = crew.conversation(adapter=adapter, **greedy)
        raw = "[gMASK]<sop><|user|>\nhello<|assistant|>"
        answers = [
            crew.chat("hello", adapter=adapter, **greedy)[0],
            (await crew.achat("hello", adapter=adapter, **greedy))[0],
            said(list(crew.stream("hello", adapter=adapter, **greedy))),
            said([event async for event in crew.astream("hello", adapter=adapter, **greedy)]),
            crew.complete(raw, adapter=adapter, **greedy),
            await crew.acomplete(raw, adapter=adapter, **greedy),
            conversation.send("hello"),
        ]
        return [answer.strip() for answer in answers]

    base, own, named = (asyncio.run(ask(adapter)) for adapter in ("", None, "pirate"))
    assert len(set(base)) == len(set(own)) == 1
    assert own == named != base


def test_an_adapter_that_is_not_loaded_is_unknown(demo: duihua.Model) -> None:
    for ask in (demo.chat, demo.complete):
        with pytest.raises(UnknownModel, match="no adapter is called 'none'"):
            ask("hi", adapter="none")
    with pytest.raises(UnknownModel, match="no adapter is called 'none'"):
        demo.conversation(adapter="none").send("hi")
    with pytest.raises(UnknownModel):
        demo.unload_adapter("none")
    adapter: Any = 5
    with pytest.raises(InvalidParameter, match="adapter=5"):
        demo.chat("hi", adapter=adapter)


def test_adapters_come_and_go_while_the_model_runs(pirate: Path) -> None:
    with duihua.load("demo", adapters={"first": str(pirate)}, context_window=128) as model:
        base = model.chat("hello", temperature=0)[0]
        assert (model.info.adapter, list(model.adapters)) == (None, ["first"])
        assert model.chat("hello", temperature=0, adapter="first")[0] != base
        assert model.load_adapter("second", pirate).rank == 4
        assert asyncio.run(model.aload_adapter("third", str(pirate))).path == pirate
        assert model.adapters.keys() == {"first", "second", "third"}
        for name in ("first", "second"):
            model.unload_adapter(name)
        asyncio.run(model.aunload_adapter("third"))
        assert model.adapters == {}
        assert model.chat("hello", temperature=0)[0] == base
    with pytest.raises(EngineDead, match="closed"):
        model.load_adapter("late", pirate)


def test_a_model_whose_adapter_was_unloaded_is_its_base(pirate: Path) -> None:
    with duihua.load(str(pirate), context_window=128) as model:
        model.unload_adapter("pirate")
        assert model.info.adapter is None
        assert model.chat("hello", temperature=0)[0] == model.chat("hello", temperature=0, adapter="")[0]


@pytest.mark.parametrize(
    ("name", "path", "error", "why"),
    [
        ("my pirate", ".", InvalidParameter, "without white space"),
        ("", ".", InvalidParameter, "without white space"),
        (5, ".", InvalidParameter, "adapter=5"),
        ("x", 5, InvalidParameter, "path=5"),
        ("x", "./none", AdapterRejected, "there is no directory"),
    ],
)
def test_what_cannot_be_loaded_is_refused_by_name(
    demo: duihua.Model, name: Any, path: Any, error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        demo.load_adapter(name, path)
    assert demo.adapters == {}


def test_an_adapter_of_another_base_is_refused_before_weights_are_read(pirate: Path, tmp_path: Path) -> None:
    other = make_adapter(tmp_path / "other", make_checkpoint(tmp_path / "base", "glm4"))
    read: list[str] = []
    with pytest.raises(AdapterRejected, match="was trained on another base"):
        duihua.load("demo", adapters={"x": str(other)}, on_progress=lambda stage, _: read.append(stage))
    with pytest.raises(AdapterRejected, match="was trained on another base"):
        duihua.load(str(other), base="demo", on_progress=lambda stage, _: read.append(stage))
    assert read == []
    with pytest.raises(ConfigError, match=r"two adapters would be called 'pirate'"):
        duihua.load(str(pirate), adapters={"pirate": str(other)})
    with pytest.raises(ConfigError, match="whole model"):
        duihua.load("demo", base="demo")
