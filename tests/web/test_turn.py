from itertools import count

import pytest

from duihua.errors import EngineDead, GenerationFailed
from duihua.events import Event, Finished, FinishReason, TextDelta, TurnFinished, TurnStarted, Usage, WindowReport
from duihua.web.texts import Say
from duihua.web.turn import Turn, status_line

EN, ZH = Say("en"), Say("zh")


def window(*, dropped: int = 0, shortened_from: int | None = None, clamped_from: int | None = None) -> WindowReport:
    return WindowReport(
        context_window=2048,
        limit=1500,
        reserve=548,
        prompt_tokens=100,
        kept_exchanges=1,
        dropped_exchanges=dropped,
        dropped_tokens=50 * dropped,
        shortened_from=shortened_from,
        clamped_from=clamped_from,
    )


def turn_of(*events: Event, max_tokens: int | None = None) -> Turn:
    """A turn that took these events, one second apart."""
    seconds = count()
    turn = Turn("hello", lambda: float(next(seconds)), max_tokens)
    for event in events:
        turn.take(event)
    return turn


def whole(
    report: WindowReport, reason: FinishReason = "stop", *, tokens: int = 21, max_tokens: int | None = None
) -> Turn:
    usage = Usage(prompt_tokens=100, completion_tokens=tokens)
    return turn_of(
        TurnStarted(prompt_tokens=100, cached_tokens=0, window=report),
        TextDelta(text="yes"),
        Finished(reason=reason, usage=usage),
        TurnFinished(usage=usage, window=report),
        max_tokens=max_tokens,
    )


def test_a_turn_tells_tokens_speed_and_context() -> None:
    assert status_line(EN, whole(window())) == "21 tokens · 20.0 tok/s · context 121/2,048"
    assert status_line(ZH, whole(window())) == "21 token · 20.0 token/秒 · 上下文 121/2,048"


def test_one_token_has_no_speed() -> None:
    assert status_line(EN, whole(window(), tokens=1)) == "1 token · context 101/2,048"


def test_what_was_dropped_and_shortened_is_told() -> None:
    line = status_line(EN, whole(window(dropped=3, shortened_from=900)))
    assert line.endswith("3 oldest turns dropped, 150 tokens · your message was too long: shortened from 900 tokens")
    assert "1 oldest turn dropped" in status_line(EN, whole(window(dropped=1)))
    assert "已丢弃最早的 3 轮" in status_line(ZH, whole(window(dropped=3)))


@pytest.mark.parametrize(
    ("max_tokens", "clamped_from", "words"),
    [
        (21, None, "the answer was cut at 21 tokens"),
        (None, None, "the context window is full"),
        (5000, 5000, "the context window is full"),
    ],
)
def test_a_cut_answer_says_by_what(max_tokens: int | None, clamped_from: int | None, words: str) -> None:
    turn = whole(window(clamped_from=clamped_from), "length", max_tokens=max_tokens)
    assert words in status_line(EN, turn)


def test_a_turn_that_runs_has_nothing_to_tell() -> None:
    assert status_line(EN, turn_of()) == ""
    assert status_line(EN, turn_of(TurnStarted(prompt_tokens=100, cached_tokens=0, window=window()))) == ""


def test_a_stopped_turn_says_what_became_of_it() -> None:
    begun, silent = turn_of(TextDelta(text="ye")), turn_of()
    begun.is_stopped = silent.is_stopped = True
    assert (status_line(EN, begun), begun.unsent) == ("stopped; what was said is kept", "")
    assert (status_line(EN, silent), silent.unsent) == (EN("returned"), "hello")


def test_an_error_is_told_and_the_text_is_to_be_said_again() -> None:
    turn = turn_of(TextDelta(text="ye"))
    turn.error = GenerationFailed("this one is lost")
    assert (status_line(EN, turn), turn.unsent) == ("error: this one is lost", "hello")
    turn.error = EngineDead("the worker ended")
    assert status_line(EN, turn).endswith("the next message starts the engine again")
    turn.error = ValueError("what")
    assert status_line(EN, turn) == "unexpected ValueError: what"
