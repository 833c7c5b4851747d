from __future__ import annotations

import pytest

from duihua.engine.choice import EngineChoice, choose_engine


def test_an_engine_that_was_named_is_taken_without_a_reason() -> None:
    assert choose_engine("vllm") == EngineChoice("vllm")
    assert choose_engine("transformers") == EngineChoice("transformers")


def test_without_a_gpu_auto_is_transformers_and_says_so() -> None:
    assert choose_engine("auto") == EngineChoice("transformers", "no_gpu")
    assert choose_engine("auto", device="cpu") == EngineChoice("transformers", "no_gpu")


@pytest.mark.parametrize(
    ("installed", "device", "expected"),
    [
        (False, "auto", EngineChoice("transformers", "vllm_is_missing")),
        (True, "auto", EngineChoice("vllm", "vllm_is_fastest")),
        (True, "cuda", EngineChoice("vllm", "vllm_is_fastest")),
        (True, "cuda:1", EngineChoice("transformers", "no_gpu")),
    ],
)
def test_on_a_gpu_auto_is_vllm_where_it_is_installed(installed: bool, device: str, expected: EngineChoice) -> None:
    assert choose_engine("auto", device=device, has_vllm=lambda: installed, has_gpu=lambda: True) == expected
