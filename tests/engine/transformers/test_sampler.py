"""The sampler against slow, plain arithmetic of the same meaning."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from duihua.engine.transformers.grammars import Matcher
from duihua.engine.transformers.sampler import Choice, Sampler, logprobs_of
from duihua.sampling import Decoding


@dataclass
class Row:
    decoding: Decoding
    prompt_ids: tuple[int, ...] = (0,)
    answer_ids: list[int] = field(default_factory=list[int])
    uniform: Callable[[], float] = random.Random(0).random
    matcher: Matcher | None = None

    @property
    def answer_count(self) -> int:
        return len(self.answer_ids)


def row(*, prompt: tuple[int, ...] = (0,), answer: tuple[int, ...] = (), chance: float = 0.0, **decoding: Any) -> Row:
    return Row(Decoding(max_tokens=99, **decoding), prompt, list(answer), lambda: chance)


def choose(logits: torch.Tensor, *rows: Row) -> list[Choice]:
    sampler = Sampler(rows, vocabulary_size=logits.shape[-1], device=logits.device)
    return sampler.choose(logits)


def plain_draw(logits: list[float], d: Decoding, chance: float) -> int:
    """Temperature, min_p, top_k, top_p and inverse CDF, by the book, in Python's own floats."""
    scaled = [value / d.temperature for value in logits]
    top = max(scaled)
    weights = {i: math.exp(value - top) for i, value in enumerate(scaled)}
    weights = {i: w for i, w in weights.items() if w >= d.min_p}
    ranked = sorted(weights, key=lambda i: -weights[i])[: d.top_k or None]
    total = sum(weights[i] for i in ranked)
    kept: list[int] = []
    mass = 0.0
    for i in ranked:
        if mass >= d.top_p * total:
            break
        kept.append(i)
        mass += weights[i]
    target = chance * mass
    for i in kept:
        target -= weights[i]
        if target < 0:
            return i
    return kept[-1]


DRAWS: list[dict[str, Any]] = [
    {},
    {"top_k": 1},
    {"top_k": 5},
    {"top_p": 0.3},
    {"top_p": 0.9},
    {"min_p": 0.2},
    {"top_k": 7, "top_p": 0.8, "min_p": 0.05},
    {"top_k": 400, "top_p": 0.99},
    {"top_k": 5000},
]


@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0], ids=["flat", "usual", "steep"])
@pytest.mark.parametrize("vocabulary", [20, 1000])
def test_draws_are_those_of_plain_arithmetic(spread: float, vocabulary: int) -> None:
    """Flat distributions over 1000 tokens also leave the likeliest 256 that are looked at first."""
    numbers = random.Random(1)
    for _ in range(20):
        logits = [numbers.gauss(0, spread) for _ in range(vocabulary)]
        settings = [Decoding(max_tokens=9, temperature=numbers.choice([0.5, 1, 1.5]), **draw) for draw in DRAWS]
        chances = [numbers.random() for _ in settings]
        rows = [Row(d, uniform=lambda c=c: c) for d, c in zip(settings, chances, strict=True)]
        together = choose(torch.tensor([logits] * len(rows)), *rows)
        alone = [choose(torch.tensor([logits]), one)[0] for one in rows]
        expected = [plain_draw(logits, d, c) for d, c in zip(settings, chances, strict=True)]
        assert [choice.token_id for choice in together] == expected
        assert alone == together


def test_drawn_tokens_are_as_frequent_as_they_are_likely() -> None:
    logits = torch.tensor([[0.0, math.log(2.0), math.log(5.0), -100.0]])
    chance = random.Random(3)
    one = Row(Decoding(max_tokens=9, temperature=1.0), uniform=chance.random)
    counts = Counter(choose(logits, one)[0].token_id for _ in range(4000))
    assert counts[2] / 4000 == pytest.approx(5 / 8, abs=0.03)
    assert counts[0] / 4000 == pytest.approx(1 / 8, abs=0.03)
    assert counts[3] == 0


def test_greedy_takes_no_chance() -> None:
    def never() -> float:
        raise AssertionError("greedy rows draw nothing")

    greedy = Row(Decoding(max_tokens=9), uniform=never)
    drawn = row(temperature=1.0, chance=0.999999)
    logits = torch.tensor([[1.0, 3.0, 2.0]] * 2)
    assert [choice.token_id for choice in choose(logits, greedy, drawn)] == [1, 0]


def test_a_tiny_temperature_is_greedy() -> None:
    logits = torch.tensor([[1.0, 1.0, 0.0]])  # of two equals, chance would take the second
    assert choose(logits, row(temperature=1e-6, chance=0.99)) == [Choice(0)]
    assert choose(logits, row(temperature=1e-5, chance=0.99)) == [Choice(1)]


def test_a_small_temperature_does_not_overflow() -> None:
    assert choose(torch.tensor([[1e35, 3e35, 2e35]]), row(temperature=1e-5, chance=0.99)) == [Choice(1)]


@pytest.mark.parametrize(
    ("decoding", "expected"),
    [
        ({}, 0),
        ({"repetition_penalty": 1.5}, 2),  # 3/1.5, 2.9/1.5, 2.5, and -1 x 1.5
        ({"presence_penalty": 0.2}, 0),  # only answers count: 3, 2.7, 2.5
        ({"presence_penalty": -0.2}, 1),  # 2.9 + 0.2
        ({"frequency_penalty": -0.06}, 1),  # 2.9 + 2 x 0.06
        ({"repetition_penalty": 0.5}, 0),
        ({"logit_bias": ((3, 5.0),)}, 3),
        ({"logit_bias": ((0, -1.0), (1, -1.0))}, 2),
    ],
)
def test_penalties_and_bias_shape_the_greedy_choice(decoding: dict[str, Any], expected: int) -> None:
    """Token 0 is in the prompt, token 1 twice in the answer."""
    logits = torch.tensor([[3.0, 2.9, 2.5, -1.0]])
    assert choose(logits, row(prompt=(0,), answer=(1, 1), **decoding))[0].token_id == expected


def test_repetition_pushes_negative_logits_down() -> None:
    logits = torch.tensor([[-1.0, -1.2]])
    assert choose(logits, row(prompt=(0,), repetition_penalty=2.0))[0].token_id == 1


def test_penalties_follow_what_is_chosen() -> None:
    one = row(prompt=(5,), frequency_penalty=0.5)
    sampler = Sampler([one], vocabulary_size=6, device=torch.device("cpu"))
    logits = torch.tensor([[3.0, 2.8, 0.0, 0.0, 0.0, 0.0]])
    chosen = [sampler.choose(logits)[0].token_id for _ in range(4)]
    assert chosen == [0, 1, 0, 1]
    assert logits[0, 0] == 3.0


def test_rows_with_and_without_penalties_do_not_mix() -> None:
    logits = torch.tensor([[3.0, 2.9, 2.5]] * 2)
    rows = [row(prompt=(0, 1), repetition_penalty=2.0), row(prompt=(0, 1))]
    assert [choice.token_id for choice in choose(logits, *rows)] == [2, 0]


def test_stop_tokens_wait_for_min_tokens() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0]] * 2)
    early = row(min_tokens=2, stop_token_ids=(0, 1, 999), answer=(2,))
    late = row(min_tokens=2, stop_token_ids=(0, 1), answer=(2, 2))
    assert [choice.token_id for choice in choose(logits, early, late)] == [2, 0]


def test_logprobs_are_raw_whatever_shapes_the_choice() -> None:
    logits = torch.tensor([[0.0, math.log(3.0), math.log(4.0)]])
    choice = choose(logits, row(logprobs=2, logit_bias=((0, 100.0),), temperature=0.1))[0]
    assert choice.token_id == 0
    assert choice.logprobs is not None
    assert choice.logprobs.logprob == pytest.approx(math.log(1 / 8))
    assert [token for token, _ in choice.logprobs.top] == [2, 1]
    assert choice.logprobs.top[0][1] == pytest.approx(math.log(1 / 2))


def test_more_alternatives_than_tokens_are_all_tokens() -> None:
    entry = logprobs_of(torch.zeros(1, 4), [2], 100)[0]
    assert len(entry.top) == 4
    assert entry.logprob == pytest.approx(math.log(1 / 4))


def test_a_row_without_numbers_is_told_apart() -> None:
    logits = torch.tensor([[1.0, math.nan], [1.0, 2.0]], dtype=torch.float16)
    assert choose(logits, row(temperature=1.0), row(temperature=1.0, top_k=1)) == [Choice(None), Choice(1)]
