"""Pictures in the window: counted with their exchange, dropped with it, never cut in two."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.errors import ContextOverflow
from duihua.image import Image
from duihua.messages import Message
from duihua.prompt.window import Window, WindowPolicy
from prompt import traits
from prompt.dialogues import seeing
from prompt.test_window import DROP, ERROR, OPTIONS, chats


@st.composite
def pictured_chats(draw: st.DrawFn) -> list[Message]:
    """Chats some of whose users' messages show pictures, of 2 to 120 tokens."""
    sides = st.integers(1, 60)
    picture = st.builds(lambda width, height: Image(bytes([width, height]), width, height), sides, sides)
    shown: list[Message] = []
    for message in draw(chats()):
        parts = [*draw(st.lists(picture, max_size=2)), message.content, *draw(st.lists(picture, max_size=1))]
        shown.append(Message.of("user", parts) if message.role == "user" else message)
    return shown


@pytest.mark.parametrize("name", traits.SEEING)
@settings(max_examples=20, deadline=None)
@given(messages=pictured_chats(), size=st.integers(150, 900))
def test_pictures_count_and_go_with_their_exchange(name: str, messages: list[Message], size: int) -> None:
    messages = [*messages, Message("user", "and now?")]
    try:
        fitted = Window(seeing(name), context_window=size).fit(messages, DROP, options=OPTIONS)
    except ContextOverflow as error:
        assert error.prompt_tokens > error.limit
        return
    kept = [messages[i] for i in fitted.indices]
    assert [placed.image for placed in fitted.prompt.images] == [at.image for m in kept for at in m.images]
    assert fitted.prompt == seeing(name).measure(kept, OPTIONS)
    assert fitted.prompt.length == fitted.report.prompt_tokens <= fitted.report.limit
    whole = seeing(name).measure(messages, OPTIONS).length
    gone = fitted.report.dropped_tokens
    if name in ("glm", "chatml", "bare") and not any(message.reasoning for message in messages):
        assert fitted.prompt.length + gone == whole


@pytest.mark.parametrize("name", ["glm", "chatml"])
@settings(max_examples=20, deadline=None)
@given(messages=pictured_chats(), size=st.integers(150, 900))
def test_the_cut_before_pictures_never_moves_back(name: str, messages: list[Message], size: int) -> None:
    one, first = Window(seeing(name), context_window=size), 0
    for end in range(1, len(messages) + 1):
        if messages[end - 1].role not in ("user", "tool"):
            continue
        try:
            report = one.fit(messages[:end], DROP, options=OPTIONS).report
        except ContextOverflow:
            continue
        assert report.first_kept >= first
        first = report.first_kept
        assert Window(seeing(name), context_window=size).fit(messages[:end], DROP, options=OPTIONS).report == report


def test_no_cost_that_is_remembered_keeps_a_picture() -> None:
    one, image = Window(seeing("chatml"), context_window=300), Image(b"large", 60, 50)
    before = sys.getrefcount(image)
    for count in (3, 4):
        messages = [Message.of("user", [image, "hello"]), Message("assistant", "world")] * count
        assert one.fit([*messages, Message("user", "a")], DROP, options=OPTIONS).report.dropped_exchanges
        del messages
    assert sys.getrefcount(image) == before


def test_what_overflows_is_told_with_its_pictures() -> None:
    messages = [Message.of("user", ["look", Image(b"large", 300, 200)])]
    with pytest.raises(ContextOverflow) as raised:
        Window(seeing("chatml"), context_window=400).fit(messages, ERROR, options=OPTIONS)
    prompt = seeing("chatml").encode(messages, OPTIONS)
    assert raised.value.prompt_tokens == prompt.length
    assert raised.value.parts["last turn"] == prompt.tokens_of(0) > 500


@pytest.mark.parametrize("cut", ["head", "tail", "middle"])
@pytest.mark.parametrize("words", [300, 60_000])
def test_shortening_a_text_keeps_its_pictures_whole(cut: str, words: int) -> None:
    one, other = Image(b"1", 30, 20), Image(b"2", 4, 3)
    message = Message.of("user", ["hello " * (words // 2), one, "world " * (words // 2), other])
    policy = WindowPolicy(overlong=cut)  # pyright: ignore[reportArgumentType]  parametrized
    fitted = Window(seeing("chatml"), context_window=250).fit([message], policy, options=OPTIONS)
    assert [placed.image for placed in fitted.prompt.images] == [one, other]
    assert fitted.report.limit - 10 < fitted.prompt.length <= fitted.report.limit
    before, between, after = fitted.prompt.text.split("<|vision_start|><|image_pad|><|vision_end|>")
    assert ("world" in before, "hello" in between, "hello" in after or "world" in after) == (False, False, False)


def test_pictures_that_alone_are_too_many_cannot_be_shortened() -> None:
    message = Message.of("user", ["hello " * 50, Image(b"large", 300, 200)])
    with pytest.raises(ContextOverflow):
        Window(seeing("chatml"), context_window=400).fit([message], WindowPolicy(overlong="tail"), options=OPTIONS)


def pictured(turns: int) -> list[Message]:
    """As many turns, each with a picture, the last to be answered."""
    exchange = [Message.of("user", [Image(b"small", 4, 3), "what is it?"]), Message("assistant", "a flag")]
    return (exchange * turns)[:-1]


def test_pictures_that_are_too_many_go_with_the_oldest_exchanges_deeply_and_seldom() -> None:
    window = Window(seeing("chatml"), context_window=4000, max_images=8)
    fitted = [window.fit(pictured(turns), DROP, options=OPTIONS) for turns in range(1, 15)]
    assert [one.report.dropped_exchanges for one in fitted] == [0] * 8 + [4] * 4 + [8] * 2
    assert [len(one.prompt.images) for one in fitted] == [*range(1, 9), 5, 6, 7, 8, 5, 6]


def test_pinned_pictures_stay_and_count() -> None:
    pinned = [replace(message, pinned=True) for message in pictured(3)] + [Message("assistant", "a flag")]
    window = Window(seeing("chatml"), context_window=4000, max_images=5)
    fitted = window.fit([*pinned, *pictured(3)], DROP, options=OPTIONS)
    assert (len(fitted.prompt.images), fitted.report.dropped_exchanges) == (4, 2)


def test_no_picture_goes_where_nothing_may_be_dropped() -> None:
    window = Window(seeing("chatml"), context_window=4000, max_images=2)
    for policy in (ERROR, WindowPolicy(overflow="error", max_exchanges=9)):
        assert len(window.fit(pictured(4), policy, options=OPTIONS).prompt.images) == 4
