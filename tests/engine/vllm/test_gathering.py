from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from duihua.engine.vllm.gathering import Gathering, tell


def stepping(seconds: float, longest: float = 0.05) -> Gathering:
    gathering = Gathering(longest)
    gathering.stepped(seconds, 1)
    return gathering


def test_one_answer_alone_hands_over_every_token():
    assert stepping(0.003).interval(1) == 1


def test_the_more_answers_run_the_more_tokens_go_out_together():
    gathering = stepping(0.004)
    intervals = [gathering.interval(running) for running in (1, 4, 8, 16, 32)]
    assert intervals == [1, 1, 2, 4, 8]


def test_where_handing_over_makes_the_steps_slow_tokens_still_go_out_together():
    """Else it would stay so: one by one they keep the steps slow, and slow steps would send them one by one."""
    assert stepping(0.040).interval(512) == 2


def test_no_token_waits_longer_than_was_set():
    assert stepping(0.0101).interval(512) == 1 + 4
    assert stepping(0.0101, longest=0.02).interval(512) == 1 + 1


def test_slow_steps_hand_over_every_token_however_many_run():
    assert stepping(0.060).interval(512) == 1


def test_nothing_waits_before_a_step_was_seen_and_nothing_where_that_was_set():
    assert Gathering(0.05).interval(512) == 1
    assert stepping(0.001, longest=0.0).interval(512) == 1


def test_tokens_that_came_together_are_steps_of_their_own():
    gathering = Gathering(0.05)
    gathering.stepped(0.040, 4)
    assert gathering.interval(40) == 1 + 3


def test_a_mean_follows_the_steps():
    gathering = stepping(0.001)
    for _ in range(200):
        gathering.stepped(0.020, 1)
    assert gathering.interval(64) == 1 + 2


def test_vllm_is_told_by_the_request_or_by_what_makes_its_outputs():
    llm: Any = SimpleNamespace(output_processor=SimpleNamespace(stream_interval=1))
    new: Any = SimpleNamespace(stream_interval=None)
    old: Any = SimpleNamespace()
    tell(llm, new, 3)
    assert (new.stream_interval, llm.output_processor.stream_interval) == (3, 1)
    tell(llm, old, 4)
    assert llm.output_processor.stream_interval == 4


def test_the_vllm_that_is_installed_has_one_of_the_two():
    vllm = pytest.importorskip("vllm")
    processor = pytest.importorskip("vllm.v1.engine.output_processor").OutputProcessor
    named = processor.__init__.__code__.co_varnames
    assert hasattr(vllm.SamplingParams(), "stream_interval") or "stream_interval" in named
