from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from vllm import RequestOutput
from vllm.outputs import CompletionOutput
from vllm.sampling_params import RequestOutputKind

from duihua.engine.vllm.sampling import MOST_BIASES, chunk_of, sampling_params
from duihua.errors import InvalidParameter
from duihua.events import TokenLogprobs
from duihua.sampling import Decoding

EVERYTHING = Decoding(
    max_tokens=50,
    min_tokens=3,
    temperature=0.7,
    top_p=0.8,
    top_k=40,
    min_p=0.05,
    presence_penalty=0.5,
    frequency_penalty=-0.5,
    repetition_penalty=1.1,
    logit_bias=((7, 1.5), (9, -100.0)),
    stop_token_ids=(1, 2),
    seed=11,
    logprobs=4,
    prompt_logprobs=0,
)


def test_every_field_has_its_place_in_vllm() -> None:
    told = sampling_params(EVERYTHING, 20)
    expected: dict[str, Any] = dataclasses.asdict(EVERYTHING)
    expected |= {"max_tokens": 20, "logit_bias": {7: 1.5, 9: -100.0}, "stop_token_ids": [1, 2]}
    assert {name: getattr(told, name) for name in expected} == expected


def test_text_and_the_models_own_stops_are_not_vllms_business() -> None:
    told = sampling_params(EVERYTHING, 20)
    assert (told.detokenize, told.ignore_eos, told.stop, told.n) == (False, True, [], 1)
    assert told.output_kind is RequestOutputKind.DELTA


def test_what_asks_for_nothing_stays_nothing() -> None:
    told = sampling_params(Decoding(max_tokens=5), 5)
    assert (told.temperature, told.seed, told.logprobs, told.prompt_logprobs, told.logit_bias) == (
        0,
        None,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("seed", "told"), [(-1, 2**63 - 1), (2**64 - 1, 2**63 - 1), (2**63, -(2**63)), (2**63 - 1, 2**63 - 1), (-2, -2)]
)
def test_a_seed_is_one_that_vllm_takes_for_a_seed_and_holds(seed: int, told: int) -> None:
    assert sampling_params(Decoding(max_tokens=5, temperature=1.0, seed=seed), 5).seed == told


def test_min_tokens_beyond_the_room_is_all_of_it() -> None:
    assert sampling_params(Decoding(max_tokens=9, min_tokens=9), 4).min_tokens == 4


def test_a_temperature_that_vllm_refuses_is_refused_by_name() -> None:
    with pytest.raises(InvalidParameter, match=r"temperature=2\.5 is not possible: on vLLM give 0 to 2"):
        sampling_params(Decoding(max_tokens=5, temperature=2.5), 5)


def output(reason: str | None, ids: list[int], **more: Any) -> RequestOutput:
    answer = CompletionOutput(
        index=0, text="", token_ids=ids, cumulative_logprob=None, logprobs=None, finish_reason=reason
    )
    fields: dict[str, Any] = {"prompt_logprobs": None, "num_cached_tokens": None} | more
    return RequestOutput("r", None, [5, 6], outputs=[answer], finished=reason is not None, **fields)


def test_what_is_cached_is_told_with_the_first_chunk_only() -> None:
    decoding = Decoding(max_tokens=5)
    first = chunk_of(output(None, [7], num_cached_tokens=128), decoding, is_first=True)
    second = chunk_of(output("stop", [8, 1], num_cached_tokens=128), decoding, is_first=False)
    assert first is not None
    assert second is not None
    assert (first.token_ids, first.cached_tokens, first.finish_reason) == ((7,), 128, None)
    assert (second.token_ids, second.cached_tokens, second.finish_reason) == ((8, 1), None, "stop")


def test_nothing_known_of_a_cache_is_nothing_cached() -> None:
    chunk = chunk_of(output("length", [7]), Decoding(max_tokens=1), is_first=True)
    assert chunk is not None
    assert chunk.cached_tokens == 0


def test_an_aborted_request_has_no_chunk() -> None:
    assert chunk_of(output("abort", []), Decoding(max_tokens=5), is_first=False) is None


def test_logprobs_of_the_prompt_begin_with_none_and_are_sorted() -> None:
    from vllm.logprobs import Logprob

    entries = [None, {6: Logprob(-2.0, 3, None), 9: Logprob(-0.5, 1, None), 4: Logprob(-1.0, 2, None)}]
    decoding = Decoding(max_tokens=5, prompt_logprobs=2)
    chunk = chunk_of(output(None, [7], prompt_logprobs=entries), decoding, is_first=True)
    assert chunk is not None
    assert chunk.prompt_logprobs == (None, TokenLogprobs(6, -2.0, ((9, -0.5), (4, -1.0))))


def test_a_form_forbids_control_tokens_by_a_bias_within_what_vllm_takes() -> None:
    decoding = Decoding(max_tokens=4, logit_bias=((7, 1.5),), stop_token_ids=(1,))
    told = sampling_params(decoding, 4, 'root ::= "a"', {1, 2, 7})
    assert told.logit_bias == {2: float("-inf"), 7: float("-inf")}
    many = sampling_params(decoding, 4, 'root ::= "a"', range(8, 9000))
    assert many.logit_bias is not None
    assert len(many.logit_bias) == MOST_BIASES
    assert many.logit_bias[7] == 1.5
