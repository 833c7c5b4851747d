"""What Python callers say, in every form that a picture can have."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
from collections.abc import Coroutine, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

import duihua
from checkpoints import make_checkpoint
from duihua.api.said import PictureReader, may_hold_pictures, user_message
from duihua.errors import InvalidImage, InvalidMessages, UnsupportedFeature
from duihua.events import TextDelta, TurnStarted
from duihua.messages import Message


def png(colour: str, width: int = 90, height: int = 60) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


RED, BLUE = png("red"), png("blue")
DATA_URL = f"data:image/png;base64,{base64.b64encode(RED).decode()}"


def no_network(work: Coroutine[Any, Any, duihua.Image]) -> duihua.Image:
    work.close()
    return duihua.read_image(BLUE, name="fetched")


read = PictureReader(no_network)


@pytest.fixture(scope="module")
def red_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pictures") / "red.png"
    file.write_bytes(RED)
    return file


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duihua.Model]:
    """A random model that sees."""
    path = make_checkpoint(tmp_path_factory.mktemp("seeing") / "qwen3_vl", "qwen3_vl")
    with duihua.load(str(path), dtype="float32", engine="transformers") as loaded:
        yield loaded


def test_a_picture_has_many_forms(red_file: Path) -> None:
    part = {"type": "image_url", "image_url": {"url": DATA_URL}}
    pillow = Pillow.open(red_file)
    forms = [duihua.read_image(RED), RED, red_file, pillow, part, {**part, "image_url": {"url": str(red_file)}}]
    messages = [user_message(["这是什么？", form], read) for form in forms]
    for message in messages:
        words, picture = message.parts
        assert words == "这是什么？"
        assert isinstance(picture, duihua.Image)
        assert (picture.width, picture.height) == (90, 60)
    assert len({message for message in messages if message is not messages[3]}) == 1


def test_an_address_is_fetched_and_words_are_never_one() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
    words = {"type": "text", "text": "and"}
    message = user_message([part, words, "https://example.com/cat.png"], read)
    picture, rest = message.parts
    assert isinstance(picture, duihua.Image)
    assert (picture.name, rest) == ("fetched", "andhttps://example.com/cat.png")


@pytest.mark.parametrize("said", [[], [""], [" ", "\n"], "", " "])
def test_nothing_is_no_turn(said: object) -> None:
    with pytest.raises(InvalidMessages, match="the message is empty"):
        user_message(said, read)


@pytest.mark.parametrize(("said", "named"), [(RED, "bytes"), (None, "NoneType"), ({}, "dict"), (["a", 5], "int")])
def test_what_is_no_turn_is_refused_by_its_type(said: object, named: str) -> None:
    with pytest.raises(InvalidMessages, match=named):
        user_message(said, read)


def test_a_picture_that_cannot_be_taken_says_why(tmp_path: Path) -> None:
    with pytest.raises(InvalidImage) as caught:
        user_message(["a", tmp_path / "none.png"], read)
    assert caught.value.why == "missing"


def test_only_parts_may_hold_pictures() -> None:
    part = {"role": "user", "content": [{"type": "text", "text": "a"}]}
    assert [may_hold_pictures(said) for said in ("a", None, 5, b"a", ["a"], iter(["a"]))] == [False] * 4 + [True] * 2
    assert may_hold_pictures("a", [part])
    assert may_hold_pictures("a", [("a", "b"), (["a"], "b")])
    assert not may_hold_pictures("a", [{"role": "user", "content": "a"}, Message("user", "b"), ("c", "d")])


def test_a_model_sees_what_it_is_shown_and_its_history_keeps_it(model: duihua.Model, red_file: Path) -> None:
    assert model.info.max_images > 0
    red, history = model.chat(["what?", red_file], temperature=0, max_tokens=8)
    blue, _ = model.chat(["what?", BLUE], temperature=0, max_tokens=8)
    assert red != blue
    assert [type(part) for part in history[0].parts] == [str, duihua.Image]
    again, _ = model.chat("again?", history=history, temperature=0, max_tokens=8)
    assert again.usage.prompt_tokens == model.count([*history, Message("user", "again?")]) > red.usage.prompt_tokens
    written = [message.to_dict() for message in history]
    assert model.chat("again?", history=written, temperature=0, max_tokens=8)[0] == again


def test_pictures_may_stand_in_every_message_that_is_given(model: duihua.Model, red_file: Path) -> None:
    asked = Message("user", "again?")
    mapping = {"role": "user", "content": ["what?", red_file]}
    answer = {"role": "assistant", "content": "red"}
    shown, _ = model.chat("again?", history=[user_message(["what?", RED], read), answer], max_tokens=4, temperature=0)
    histories: list[Any] = [[mapping, answer], [(["what?", red_file], "red")], [(("what?", RED), "red")]]
    for history in histories:
        reply, longer = model.chat("again?", history=history, max_tokens=4, temperature=0)
        assert (reply, reply.usage.prompt_tokens) == (shown, shown.usage.prompt_tokens)
        assert [len(message.images) for message in longer] == [1, 0, 0, 0]
        conversation = model.conversation(history=history, max_tokens=4, temperature=0)
        assert conversation.send("again?") == shown
        assert asyncio.run(model.achat("again?", history=history, max_tokens=4, temperature=0))[0] == shown
    assert model.count([mapping, answer, asked]) == shown.usage.prompt_tokens
    parts = [part.tokens for part in model.explain([mapping, answer, asked]).parts]
    assert sum(parts) == shown.usage.prompt_tokens


@pytest.mark.parametrize("detail", ["auto", "high", "low"])
def test_detail_low_shrinks_a_picture_as_the_server_does(detail: str, tmp_path: Path) -> None:
    file = tmp_path / "wide.png"
    file.write_bytes(png("green", 1200, 300))
    for url in (str(file), f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"):
        part = {"type": "image_url", "image_url": {"url": url, "detail": detail}}
        (placed,) = user_message([part], read).images
        assert (placed.image.width, placed.image.height) == ((512, 128) if detail == "low" else (1200, 300))


def test_a_turn_counts_its_pictures_as_they_were_counted_before(model: duihua.Model) -> None:
    for width, height in [(64, 64), (200, 90), (33, 150)]:
        said = ["what?", png("green", width, height)]
        started = next(event for event in model.stream(said, max_tokens=1) if isinstance(event, TurnStarted))
        assert started.prompt_tokens == model.count([user_message(said, read)])
        assert started.prompt_tokens == len(started.token_ids)


def test_pairs_become_messages_where_a_picture_comes(model: duihua.Model) -> None:
    _, history = model.chat(["what?", RED], history=[("a", "b")], max_tokens=2)
    assert [message.role for message in history] == ["user", "assistant", "user", "assistant"]


def test_async_twins_read_pictures_off_the_caller_s_loop(model: duihua.Model, red_file: Path) -> None:
    readers: set[str] = set()

    class Watched(PathLike[str]):
        def __fspath__(self) -> str:
            readers.add(threading.current_thread().name)
            return str(red_file)

    async def ask() -> tuple[str, str]:
        said = ["what?", Watched()]
        reply, _ = await model.achat(said, temperature=0, max_tokens=8)
        events = [event async for event in model.astream(said, temperature=0, max_tokens=8)]
        return reply, "".join(event.text for event in events if isinstance(event, TextDelta))

    reply, streamed = asyncio.run(ask())
    assert reply == streamed == model.chat(["what?", red_file], temperature=0, max_tokens=8)[0]
    assert readers
    assert threading.current_thread().name not in readers


def test_a_conversation_takes_pictures(model: duihua.Model) -> None:
    conversation = model.conversation(temperature=0, max_tokens=4)
    conversation.send(["what?", RED])
    reply = conversation.send("again?")
    assert [placed.image.width for placed in conversation.history[0].images] == [90]
    assert reply.usage.cached_tokens > 10


def test_a_model_of_words_refuses_a_picture_by_name(demo: duihua.Model) -> None:
    assert demo.info.max_images == 0
    with pytest.raises(UnsupportedFeature, match=r"images .* such as"):
        demo.chat(["what?", RED])
