"""What streamed and whole replies share."""

from __future__ import annotations

import pytest

from duihua.chat.protocol import TurnOptions
from duihua.events import Finished, FinishReason, Usage, WindowReport
from duihua.sampling import Sampling
from duihua.server.ask import Ask
from duihua.server.reply import extension_of, finish_of, stop_reason, usage_of, window_header

USAGE = Usage(prompt_tokens=7, completion_tokens=3, cached_tokens=5, reasoning_tokens=2)
REPORT = WindowReport(context_window=100, limit=90, reserve=10, prompt_tokens=7, kept_exchanges=1)
ASK = Ask(
    messages=[],
    wanted=[],
    sampling=Sampling(stop_token_ids=(9,)),
    options=TurnOptions(),
    model="m",
    is_streamed=False,
    wants_usage=False,
    wants_ids=False,
)


@pytest.mark.parametrize(
    ("reason", "has_calls", "finish", "why"),
    [
        ("stop", False, "stop", None),
        ("length", True, "length", None),
        ("tool_calls", True, "tool_calls", None),
        ("tool_calls", False, "length", "tool_limit"),
        ("context_full", False, "length", "context_full"),
    ],
)
def test_reasons_are_openai_s(reason: FinishReason, has_calls: bool, finish: str, why: str | None) -> None:
    event = Finished(reason=reason, usage=USAGE)
    assert finish_of(event, has_calls=has_calls) == finish
    assert stop_reason(event, ASK, has_calls=has_calls) == why


@pytest.mark.parametrize(("by", "told"), [("x", "x"), (9, 9), (8, None), (None, None)])
def test_what_stopped_an_answer_is_told_where_the_request_named_it(by: str | int | None, told: object) -> None:
    assert stop_reason(Finished(reason="stop", stopped_by=by, usage=USAGE), ASK, has_calls=False) == told


def test_usage_is_openai_s() -> None:
    assert usage_of(USAGE) == {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


def test_the_extension_is_there_where_it_says_something() -> None:
    assert (extension_of(REPORT), extension_of(None, tool_results=[]), window_header(REPORT)) == ({}, {}, "")
    assert extension_of(None, tool_results=[1]) == {"duihua": {"tool_results": [1]}}
