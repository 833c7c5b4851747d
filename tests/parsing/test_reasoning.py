from __future__ import annotations

from collections.abc import Sequence

from duihua.parsing.reasoning import ReasoningRouter

OPEN, CLOSE = 1, 2


def route(pieces: Sequence[tuple[str, int | None]], *, opened: bool = False) -> dict[str, str]:
    router = ReasoningRouter(OPEN, CLOSE, opened=opened)
    result = {"reasoning": "", "content": ""}
    for text, control in pieces:
        routed = router.push(text, control)
        if routed is not None:
            result[routed.channel] += routed.text
    return result


def test_thinking_is_told_apart_and_its_line_breaks_dropped() -> None:
    pieces = [("<think>", OPEN), ("\nhm", None), ("m\n", None), ("</think>", CLOSE), ("\n\n", None), ("yes", None)]
    assert route(pieces) == {"reasoning": "hmm", "content": "yes"}


def test_line_breaks_inside_thinking_stay() -> None:
    pieces = [("<think>", OPEN), ("a\n", None), ("\nb", None), ("</think>", CLOSE), ("c\n", None), ("d", None)]
    assert route(pieces) == {"reasoning": "a\n\nb", "content": "c\nd"}


def test_a_prompt_that_opened_thinking_needs_no_tag() -> None:
    assert route([("a", None), ("</think>", CLOSE), ("b", None)], opened=True) == {"reasoning": "a", "content": "b"}


def test_a_tag_written_out_is_text() -> None:
    pieces: list[tuple[str, int | None]] = [("<think>a</think>b", None)]
    assert route(pieces) == {"reasoning": "", "content": "<think>a</think>b"}


def test_thinking_that_never_closes_is_thinking() -> None:
    assert route([("<think>", OPEN), ("a", None)]) == {"reasoning": "a", "content": ""}


def test_line_breaks_before_thinking_are_dropped_and_before_an_answer_kept() -> None:
    thinking = [("\n", None), ("<think>", OPEN), ("a", None), ("</think>", CLOSE), ("\nb", None)]
    assert route(thinking) == {"reasoning": "a", "content": "b"}
    assert route([("\n", None), ("\n", None), ("b", None)]) == {"reasoning": "", "content": "\n\nb"}


def test_line_breaks_that_are_the_whole_answer_come_at_its_end() -> None:
    router = ReasoningRouter(OPEN, CLOSE)
    assert router.push("\n", None) is None
    held = router.begin()
    assert held is not None
    assert held.text == "\n"
