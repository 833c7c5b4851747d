"""The real vLLM on a CPU, where there is no compiler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from duihua.engine.protocol import Engine
from duihua.engine.vllm.engine import VllmEngine
from engine.contract import PROMPT, collect, play_alone, request
from engine.vllm.stage import ON_CPU, SETTINGS


@pytest.mark.slow
@pytest.mark.skipif(not ON_CPU, reason="on a GPU vLLM's functions are compiled for it")
def test_log_probabilities_are_told_and_nothing_is_compiled(
    checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """vLLM's engine died of the first request with log-probabilities, or stood still while its compiler ran."""
    for name in ("CC", "CXX"):
        monkeypatch.setenv(name, str(tmp_path / "no-compiler"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    settings = replace(SETTINGS, log_file=tmp_path / "engine.log")

    async def scenario(engine: Engine) -> None:
        for alternatives, of_prompt in ((2, None), (0, 1)):
            asked = request(PROMPT, max_tokens=3, logprobs=alternatives, prompt_logprobs=of_prompt)
            assert all(chunk.logprobs for chunk in await collect(engine, asked))

    play_alone(lambda: VllmEngine.load(checkpoint("qwen3"), settings), scenario)
    assert not [path for path in (tmp_path / "compiled").rglob("*") if path.is_file()]
