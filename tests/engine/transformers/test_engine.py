from __future__ import annotations

import asyncio
import gc
import random
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from duihua.engine.protocol import Engine
from duihua.engine.settings import EngineSettings
from duihua.engine.transformers.engine import TransformersEngine
from duihua.errors import ConfigError, EngineBusy, EngineDead, GenerationFailed
from engine.adapter_contract import AdapterContract
from engine.contract import LONG, PROMPT, EngineContract, Scenario, answer, collect, play_alone, request
from engine.grammar_contract import GrammarContract

Checkpoints = Callable[[str], Path]
FLOAT32 = EngineSettings(device="cpu", dtype="float32")


class _TransformersStage:
    slots = 8
    cache_block = 1
    adapters_speak = True

    def __init__(self, path: Path, adapters: Mapping[str, Path]) -> None:
        self._path = path
        self.adapters = adapters

    def play(self, scenario: Scenario) -> None:
        play_alone(lambda: TransformersEngine.load(self._path, FLOAT32), scenario)

    play_alone = play


class TestTransformers(EngineContract, AdapterContract):
    @pytest.fixture(params=["glm4", "glm", "qwen2", "qwen3", "sliding", "glm4v"])
    def stage(
        self, request: pytest.FixtureRequest, checkpoint: Checkpoints, adapters: Callable[[str], Mapping[str, Path]]
    ) -> _TransformersStage:
        return _TransformersStage(checkpoint(request.param), adapters(request.param))


class TestTransformersGrammars(GrammarContract):
    @pytest.fixture
    def stage(self, checkpoint: Checkpoints, adapters: Callable[[str], Mapping[str, Path]]) -> _TransformersStage:
        return _TransformersStage(checkpoint("qwen3"), adapters("qwen3"))


def load_model(path: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()


def start(model: PreTrainedModel, **settings: Any) -> TransformersEngine:
    return TransformersEngine(model, context_window=512, settings=EngineSettings(**settings))


def recompute(model: PreTrainedModel, prompt: tuple[int, ...], count: int) -> list[int]:
    """Greedy ids with no cache at all."""
    ids = list(prompt)
    with torch.inference_mode():
        for _ in range(count):
            ids.append(int(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("kind", ["glm4", "glm", "qwen2", "qwen3", "sliding"])
def test_greedy_ids_are_those_of_the_model_without_any_cache(checkpoint: Checkpoints, kind: str) -> None:
    model = load_model(checkpoint(kind))
    prompts = [PROMPT, LONG, PROMPT[:3], (*LONG, *PROMPT), PROMPT[::-1]]
    expected = [recompute(model, prompt, 12) for prompt in prompts]

    async def scenario(engine: Engine) -> None:
        alone = [await answer(engine, request(prompt, salt="alone")) for prompt in prompts]
        together = await asyncio.gather(*(answer(engine, request(prompt)) for prompt in prompts))
        assert alone == expected
        assert together == expected

    play_alone(lambda: start(model), scenario)


def test_a_reused_prefix_changes_nothing(checkpoint: Checkpoints) -> None:
    """Turns that go on, go back and branch, against the same turns computed afresh."""
    model = load_model(checkpoint("glm4"))
    chance = random.Random(5)

    async def scenario(engine: Engine) -> None:
        history = list(PROMPT)
        cached = 0
        for turn in range(12):
            chunks = await collect(engine, request(history))
            ids = [token for chunk in chunks for token in chunk.token_ids]
            assert ids == recompute(model, tuple(history), 12)
            cached += chunks[0].cached_tokens or 0
            keep = len(history) if turn % 3 else chance.randrange(10, len(history))
            history = history[:keep] + ids[: turn % 13] + [chance.randrange(20, 250) for _ in range(5)]
        assert cached > 300

    play_alone(lambda: start(model), scenario)


def test_equal_prompts_at_once_share_their_prefix(checkpoint: Checkpoints) -> None:
    async def scenario(engine: Engine) -> None:
        asked = [request(LONG, seed=i, temperature=1.0, max_tokens=40) for i in range(3)]
        answers = await asyncio.gather(*(collect(engine, each) for each in asked))
        assert sorted(chunks[0].cached_tokens or 0 for chunks in answers) == [0, len(LONG) - 1, len(LONG) - 1]

    play_alone(lambda: start(load_model(checkpoint("qwen3"))), scenario)


def test_the_global_generators_are_left_alone(checkpoint: Checkpoints) -> None:
    async def scenario(engine: Engine) -> None:
        torch_state, python_state = torch.get_rng_state(), random.getstate()
        await asyncio.gather(*(answer(engine, request(PROMPT, temperature=1.0)) for _ in range(3)))
        assert torch.equal(torch.get_rng_state(), torch_state)
        assert random.getstate() == python_state

    play_alone(lambda: start(load_model(checkpoint("glm4"))), scenario)


def test_without_a_seed_answers_differ(checkpoint: Checkpoints) -> None:
    async def scenario(engine: Engine) -> None:
        asked = request(PROMPT, temperature=1.5, max_tokens=30)
        assert await answer(engine, asked) != await answer(engine, asked)

    play_alone(lambda: start(load_model(checkpoint("glm4"))), scenario)


class _Trap:
    """Raises once from inside the model, when ids of a certain shape (rows, tokens) come by."""

    def __init__(self, model: PreTrainedModel, error: BaseException, when: Callable[[int, int], bool]) -> None:
        self._error: BaseException | None = error
        self._when = when
        model.get_input_embeddings().register_forward_pre_hook(self._spring)

    def _spring(self, _: object, inputs: tuple[torch.Tensor]) -> None:
        if self._error is not None and self._when(*inputs[0].shape):
            error, self._error = self._error, None
            raise error


def two_rows(rows: int, _: int) -> bool:
    return rows == 2


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.OutOfMemoryError("out of memory"), "smaller context window"),
        (ValueError("odd shape"), "odd shape"),
    ],
)
def test_a_failing_step_fails_its_requests_and_the_engine_goes_on(
    checkpoint: Checkpoints, error: Exception, words: str
) -> None:
    model = load_model(checkpoint("glm4"))
    _Trap(model, error, two_rows)

    async def scenario(engine: Engine) -> None:
        asked = [request(PROMPT, max_tokens=200), request(LONG, max_tokens=200)]
        answers = await asyncio.gather(*(answer(engine, each) for each in asked), return_exceptions=True)
        assert [type(each) for each in answers] == [GenerationFailed] * 2
        assert words in str(answers[0])
        assert await answer(engine, request(PROMPT)) == recompute(model, PROMPT, 12)

    play_alone(lambda: start(model), scenario)


def test_a_failing_prefill_hurts_nobody_else(checkpoint: Checkpoints) -> None:
    model = load_model(checkpoint("glm4"))

    async def scenario(engine: Engine) -> None:
        running = asyncio.ensure_future(answer(engine, request(PROMPT, max_tokens=100)))
        _Trap(model, ValueError("bad prompt"), lambda _, tokens: tokens == 256)
        with pytest.raises(GenerationFailed, match="bad prompt"):
            await answer(engine, request(LONG[::-1]))
        assert len(await running) == 100
        assert len(await answer(engine, request(LONG[::-1]))) == 12

    play_alone(lambda: start(model), scenario)


def test_a_device_that_cannot_be_used_any_more_is_a_dead_engine(checkpoint: Checkpoints) -> None:
    model = load_model(checkpoint("glm4"))
    _Trap(model, RuntimeError("CUDA error: device-side assert triggered"), lambda rows, _: rows == 1)

    async def scenario(engine: Engine) -> None:
        for _ in range(2):
            with pytest.raises(EngineDead, match="device-side assert"):
                await answer(engine, request(PROMPT))

    play_alone(lambda: start(model), scenario)


def test_numbers_that_are_none_are_told(checkpoint: Checkpoints) -> None:
    model = load_model(checkpoint("glm4"))

    def spoil(_: object, __: object, output: Any) -> None:
        output.logits.fill_(torch.nan)

    model.register_forward_hook(spoil)

    async def scenario(engine: Engine) -> None:
        with pytest.raises(GenerationFailed, match="NaN"):
            await answer(engine, request(PROMPT, temperature=1.0))

    play_alone(lambda: start(model), scenario)


def test_a_broken_thread_is_a_dead_engine_for_all_and_for_ever(checkpoint: Checkpoints) -> None:
    model = load_model(checkpoint("glm4"))
    _Trap(model, SystemExit("the floor is gone"), two_rows)

    async def scenario(engine: Engine) -> None:
        asked = [request(PROMPT, max_tokens=200), request(LONG, max_tokens=200)]
        answers = await asyncio.gather(*(answer(engine, each) for each in asked), return_exceptions=True)
        assert [type(each) for each in answers] == [EngineDead] * 2
        assert "the floor is gone" in str(answers[0])
        with pytest.raises(EngineDead, match="the floor is gone"):
            await answer(engine, request(PROMPT))

    play_alone(lambda: start(model), scenario)


def test_a_full_queue_is_busy_and_has_room_again(checkpoint: Checkpoints) -> None:
    async def scenario(engine: Engine) -> None:
        running = [engine.generate(request([20, 21 + i], max_tokens=500)) for i in range(2)]
        await anext(running[0])
        waiting = asyncio.ensure_future(anext(running[1]))
        await asyncio.sleep(0)
        with pytest.raises(EngineBusy) as refusal:
            await answer(engine, request(PROMPT))
        assert refusal.value.retry_after_s > 0
        await running[0].aclose()
        await waiting
        await running[1].aclose()
        assert len(await answer(engine, request(PROMPT, max_tokens=1))) == 1

    play_alone(lambda: start(load_model(checkpoint("glm4")), max_sequences=1, queue_limit=1), scenario)


def test_who_waits_is_served_by_priority_then_arrival(checkpoint: Checkpoints) -> None:
    async def scenario(engine: Engine) -> None:
        order: list[str] = []

        async def ask(name: str, priority: int) -> None:
            await answer(engine, request([20, 21], priority=priority, max_tokens=1))
            order.append(name)

        running = engine.generate(request(PROMPT, max_tokens=500))
        await anext(running)
        waiting = [asyncio.ensure_future(ask(name, p)) for name, p in (("c", 1), ("a", 0), ("d", 1), ("b", 0))]
        await asyncio.sleep(0)
        await running.aclose()
        await asyncio.gather(*waiting)
        assert order == ["a", "b", "c", "d"]

    play_alone(lambda: start(load_model(checkpoint("glm4")), max_sequences=1), scenario)


def test_a_long_prompt_does_not_hold_up_those_that_run(checkpoint: Checkpoints) -> None:
    """While 500 tokens are prefilled in stretches, the running request goes on in between."""
    model = load_model(checkpoint("glm4"))
    widths: list[int] = []
    model.get_input_embeddings().register_forward_pre_hook(lambda _, inputs: widths.append(inputs[0].shape[1]))

    async def scenario(engine: Engine) -> None:
        running = engine.generate(request(PROMPT, max_tokens=400))
        await anext(running)
        await answer(engine, request([60 + i % 200 for i in range(500)], max_tokens=1))
        await running.aclose()
        stretches = [i for i, width in enumerate(widths) if width > 1][1:]
        assert [widths[i] for i in stretches] == [256, 244]
        assert stretches[1] - stretches[0] > 1

    play_alone(lambda: start(model), scenario)


def test_requests_come_from_several_event_loops(checkpoint: Checkpoints) -> None:
    model = load_model(checkpoint("glm4"))
    engine = start(model)
    expected = {i: recompute(model, (20 + i, *PROMPT), 12) for i in range(4)}
    answers: dict[int, list[int]] = {}

    def loop_of_its_own(i: int) -> None:
        answers[i] = asyncio.run(answer(engine, request((20 + i, *PROMPT))))

    threads = [threading.Thread(target=loop_of_its_own, args=(i,)) for i in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(engine.aclose())
    assert answers == expected


def test_a_loop_that_ends_takes_its_requests_along(checkpoint: Checkpoints) -> None:
    engine = start(load_model(checkpoint("glm4")), max_sequences=1, queue_limit=0)

    async def leave() -> None:
        await anext(engine.generate(request(PROMPT, max_tokens=500)))

    async def come() -> int:
        while True:
            try:
                return len(await answer(engine, request(PROMPT)))
            except EngineBusy:
                await asyncio.sleep(0)

    asyncio.run(leave())
    assert asyncio.run(asyncio.wait_for(come(), 30)) == 12
    asyncio.run(engine.aclose())


def test_a_closed_engine_lets_its_model_go(checkpoint: Checkpoints) -> None:
    model = load_model(checkpoint("glm4"))
    engine = start(model)
    asyncio.run(answer(engine, request(PROMPT)))
    gone = weakref.ref(model)
    del model
    asyncio.run(engine.aclose())
    gc.collect()
    assert gone() is None


def test_the_number_of_threads_asked_for_is_used_while_the_engine_lives(checkpoint: Checkpoints) -> None:
    model = load_model(checkpoint("glm4"))
    counts: list[int] = []
    model.get_input_embeddings().register_forward_pre_hook(lambda *_: counts.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    play_alone(lambda: start(model, threads=2), lambda engine: answer(engine, request(PROMPT, max_tokens=2)))
    assert counts == [2, 2]
    assert torch.get_num_threads() == before


def test_a_capacity_below_the_window_is_refused(checkpoint: Checkpoints) -> None:
    with pytest.raises(ConfigError, match="512"):
        start(load_model(checkpoint("glm4")), kv_capacity=100)
