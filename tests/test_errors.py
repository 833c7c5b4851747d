"""Errors carry their numbers, and say what, why and the cure in one sentence."""

from duihua.errors import (
    ContextOverflow,
    EngineBusy,
    InvalidImage,
    InvalidMessages,
    InvalidParameter,
    UnsupportedFeature,
)


def test_an_overflow_says_its_numbers_by_part() -> None:
    parts = {"system": 2500, "template": 3}
    error = ContextOverflow(prompt_tokens=2503, limit=1536, context_window=2048, parts=parts, cure="shorten it")
    assert str(error) == (
        "the prompt has 2,503 tokens and at most 1,536 fit (context window 2,048) "
        "[system: 2,500; template: 3]: shorten it"
    )
    assert (error.prompt_tokens, error.limit, error.context_window) == (2503, 1536, 2048)
    assert error.parts == parts
    parts.clear()
    assert error.parts


def test_an_overflow_without_parts_has_no_empty_brackets() -> None:
    assert "[" not in str(ContextOverflow(prompt_tokens=2, limit=1, context_window=2))


def test_a_parameter_is_named_with_its_value() -> None:
    error = InvalidParameter("top_p", "x", "give a number")
    assert str(error) == "top_p='x' is not possible: give a number"
    assert (error.name, error.value) == ("top_p", "x")


def test_other_errors_keep_what_a_program_may_ask() -> None:
    assert InvalidMessages("no", index=3).index == 3
    assert InvalidMessages("no").index is None
    assert UnsupportedFeature("images", "there are none").feature == "images"
    assert EngineBusy("later", retry_after_s=2.5).retry_after_s == 2.5


def test_a_refused_picture_says_its_name_and_the_bound() -> None:
    error = InvalidImage("it has 90,000 x 90,000 pixels", why="pixels", name="map.png")
    assert str(error) == "map.png: it has 90,000 x 90,000 pixels"
    assert (error.why, error.name) == ("pixels", "map.png")
    assert str(InvalidImage("it is empty", why="truncated")) == "it is empty"
