"""Messages: read from what callers send, written back, and refused where they are no conversation."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from duihua.errors import InvalidImage, InvalidMessages, RequestError, UnsupportedFeature
from duihua.image import Image
from duihua.messages import ImageAt, Message, SampledRun, ToolCall, check_order, parse_messages
from duihua.vision.read import read_image

CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


def test_openai_s_form_is_read_and_written_back() -> None:
    values: list[dict[str, Any]] = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "1 + 1?", "name": "anna"},
        {"role": "assistant", "content": "", "reasoning": "Add them.", "tool_calls": [CALL]},
        {"role": "tool", "content": "2", "tool_call_id": "call_1"},
        {"role": "user", "content": "Keep this.", "pinned": True},
    ]
    assert [message.to_dict() for message in parse_messages(values)] == values


def test_messages_and_mappings_may_be_mixed() -> None:
    first = Message("user", "hello")
    assert parse_messages([first, {"role": "assistant", "content": "hi"}]) == [first, Message("assistant", "hi")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"role": "developer", "content": "x"}, Message("system", "x")),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            Message("user", "ab"),
        ),
        ({"role": "assistant", "content": None, "reasoning_content": "hm"}, Message("assistant", reasoning="hm")),
    ],
)
def test_other_ways_to_say_the_same_are_understood(value: dict[str, Any], expected: Message) -> None:
    assert Message.from_dict(value) == expected


def test_arguments_that_are_given_as_a_table_become_json() -> None:
    call = {"id": "1", "function": {"name": "f", "arguments": {"城市": "北京"}}}
    read = Message.from_dict({"role": "assistant", "tool_calls": [call]})
    assert read.tool_calls == (ToolCall("1", "f", '{"城市": "北京"}'),)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"role": "robot", "content": "x"}, "role 'robot' is unknown"),
        ({"content": "x"}, "role None is unknown"),
        ({"role": "user", "content": "x", "contents": "y"}, r"unknown keys \['contents'\]"),
        ({"role": "user", "content": 3}, "content is a int"),
        ({"role": "user", "content": ["x", 3]}, r"messages\[1\].content\[1\] is a int: give a string or"),
        ({"role": "user", "content": "half \ud83d"}, "half a character at position 5"),
        ({"role": "user", "content": "x", "name": 3}, "name is a int"),
        ({"role": "assistant", "tool_calls": [{"id": "1"}]}, "a tool call needs"),
        ({"role": "assistant", "tool_calls": [{"id": 1, "function": {"name": "f"}}]}, "must be strings"),
        ("hello", "message 1 is a str"),
    ],
)
def test_what_is_no_message_is_refused_with_its_place(value: Any, why: str) -> None:
    with pytest.raises(InvalidMessages, match=why) as caught:
        parse_messages([{"role": "user", "content": "hello"}, value])
    assert caught.value.index == 1


def test_a_picture_is_refused_by_name() -> None:
    value = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
    with pytest.raises(UnsupportedFeature, match="'image_url'"):
        Message.from_dict(value)


@pytest.mark.parametrize(
    ("messages", "why", "index"),
    [
        ([], "there are no messages", None),
        ([Message("system", "x")], "no user message", None),
        ([Message("user", "x", tool_calls=(ToolCall("1", "f", "{}"),))], "its role is 'user'", 0),
        ([Message("user", "x"), Message("tool", "2", tool_call_id="1")], "answers tool call '1'", 1),
        (
            [
                Message("user", "x"),
                Message("assistant", tool_calls=(ToolCall("1", "f", "{}"),)),
                Message("user", "y"),
                Message("tool", "2", tool_call_id="1"),
            ],
            "answers tool call '1'",
            3,
        ),
    ],
)
def test_what_is_no_conversation_is_refused(messages: list[Message], why: str, index: int | None) -> None:
    with pytest.raises(InvalidMessages, match=why) as caught:
        check_order(messages)
    assert caught.value.index == index


def test_several_results_may_answer_one_message() -> None:
    calls = (ToolCall("1", "f", "{}"), ToolCall("2", "g", "{}"))
    results = [Message("tool", "a", tool_call_id="2"), Message("tool", "b", tool_call_id="1")]
    check_order([Message("user", "x"), Message("assistant", tool_calls=calls), *results, Message("user", "y")])


def test_how_a_message_is_kept_takes_no_part_in_equality() -> None:
    plain = Message("assistant", "hi")
    kept = Message("assistant", "hi", pinned=True, sampled=(SampledRun("<|assistant|>", "hi", (1, 2)),))
    assert plain == kept
    assert hash(plain) == hash(kept)
    assert plain != Message("assistant", "hi", reasoning="hm")


@pytest.mark.parametrize("value", [b"<|user|>", 5, None, "half \ud800"])
def test_a_message_holds_text_only_however_it_is_made(value: Any) -> None:
    with pytest.raises(InvalidMessages, match="content"):
        Message("user", value)
    with pytest.raises(InvalidMessages, match="role"):
        Message("<|user|>", "a")  # type: ignore[arg-type]


def test_half_a_character_in_arguments_is_refused() -> None:
    with pytest.raises(InvalidMessages, match="half a character"):
        Message("assistant", tool_calls=(ToolCall("1", "f", '{"a": "\\ud800"}'),))


@pytest.mark.parametrize("before", [[], [Message("user", "a")], [Message("user", "a"), Message("assistant", "b")]])
def test_a_result_without_a_call_is_refused(before: list[Message]) -> None:
    with pytest.raises(InvalidMessages, match="answers tool call"):
        check_order([Message("user", "q"), *before, Message("tool", "r")])


CAT, DOG = Image(b"cat", 4, 3, name="cat.png"), Image(b"dog", 8, 6)


def test_a_message_of_parts_keeps_its_words_apart_from_its_pictures() -> None:
    message = Message.of("user", [CAT, "which is ", DOG, "", "?"], pinned=True)
    assert (message.content, message.pinned) == ("which is ?", True)
    assert message.images == (ImageAt(0, CAT), ImageAt(9, DOG))
    assert message.parts == (CAT, "which is ", DOG, "?")


def test_pictures_and_their_places_make_messages_different() -> None:
    message = Message.of("user", [CAT, "a"])
    assert message == Message.of("user", [Image(b"cat", 4, 3, name="other"), "a"])
    assert len({message, Message.of("user", ["a", CAT]), Message.of("user", [DOG, "a"]), Message("user", "a")}) == 4


def test_a_cache_s_key_tells_messages_apart_without_their_pictures_bytes() -> None:
    messages = [Message.of("user", parts) for parts in ([CAT, "a"], ["a", CAT], [DOG, "a"], ["a"])]
    keys = [message.known_by for message in messages]
    assert len(set(keys)) == 4
    assert keys[0] == Message.of("user", [Image(b"cat", 4, 3), "a"]).known_by
    assert messages[3].known_by is messages[3]
    assert b"cat" not in pickle.dumps(keys[0])


def test_a_message_with_pictures_is_written_and_read_in_openai_s_form() -> None:
    message = Message.of("user", ["a", CAT, "b"])
    written = message.to_dict()
    assert [part["type"] for part in written["content"]] == ["text", "image_url", "text"]
    assert parse_messages([written], read_image=lambda url: CAT if url.endswith("Y2F0") else DOG) == [message]


def test_a_message_takes_a_picture_in_every_form(tmp_path: Path) -> None:
    pixels = Pillow.new("RGB", (9, 6), "red")
    file = tmp_path / "red.png"
    pixels.save(file)
    read = Message.of("user", ["a", file])
    assert (read.content, read.images[0].at, read.images[0].image.name) == ("a", 1, "red.png")
    assert Message.of("user", ["a", file.read_bytes()]) == Message.of("user", ["a", read.images[0].image]) == read
    shown = Message.of("tool", [pixels, "b"], tool_call_id="c").images[0].image
    assert (shown.width, shown.height) == (9, 6)
    assert Message.of("user", [str(file), file.as_uri(), "data:,a"]).images == ()  # strings are words always


def test_what_a_message_cannot_take_says_which_why_and_what_instead(tmp_path: Path) -> None:
    with pytest.raises(InvalidImage, match=r"none.png: the file cannot be read .*check the path"):
        Message.of("user", ["a", tmp_path / "none.png"])
    with pytest.raises(InvalidImage, match=r"^content\[1\]: ") as caught:
        Message.of("user", ["a", b"no picture"])
    assert caught.value.why == "kind"
    for part in (3, None, {"type": "text", "text": "a"}):
        with pytest.raises(
            InvalidMessages, match=rf"content\[1\] is a {type(part).__name__}: give a string, or a pict"
        ):
            Message.of("user", ["a", part])  # pyright: ignore[reportArgumentType]


def test_a_path_is_read_from_openai_s_form_only_where_the_reader_does(tmp_path: Path) -> None:
    file = tmp_path / "red.png"
    Pillow.new("RGB", (9, 6), "red").save(file)
    parts: list[object] = [file, file.read_bytes(), {"type": "image_url", "image_url": {"url": str(file)}}]
    for part in parts:
        value = {"role": "user", "content": ["a", part]}
        assert Message.from_dict(value, read_image=read_image) == Message.of("user", ["a", file])
        with pytest.raises(RequestError, match="only where pictures are read"):
            Message.from_dict(value)


def test_only_users_and_tools_give_pictures() -> None:
    part = {"type": "image_url", "image_url": {"url": "cat://"}}
    with pytest.raises(UnsupportedFeature, match="a user's message and in a tool's result"):
        Message.from_dict({"role": "system", "content": [part]}, read_image=lambda _: CAT)
    with pytest.raises(InvalidMessages, match="'assistant' has pictures"):
        Message("assistant", images=(ImageAt(0, CAT),))
    result = Message.from_dict({"role": "tool", "content": [part]}, read_image=lambda _: CAT)
    assert result.images == (ImageAt(0, CAT),)
