from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest

from duihua.engine.protocol import Engine
from duihua.engine.settings import EngineSettings
from duihua.engine.supervised import SupervisedEngine
from duihua.engine.transformers.engine import TransformersEngine
from duihua.engine.vllm.engine import VllmEngine
from duihua.errors import AdapterRejected, EngineBusy, EngineDead, InvalidParameter, UnsupportedFeature
from engine.adapter_contract import AdapterContract
from engine.contract import LONG, PROMPT, EngineContract, answer, play_alone, request
from engine.grammar_contract import GrammarContract
from engine.vllm.stage import ON_CPU, SETTINGS, VllmStage, family_of

Checkpoints = Callable[[str], Path]
Stages = Callable[..., VllmStage]
ALL_KINDS = ["qwen3", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("glm4", "glm", "qwen2", "sliding"))]


class TestVllm(EngineContract):
    @pytest.fixture(params=ALL_KINDS)
    def stage(self, request: pytest.FixtureRequest, vllm_stage: Stages) -> VllmStage:
        return vllm_stage(request.param)


class TestVllmGrammars(GrammarContract):
    @pytest.fixture
    def stage(self, vllm_stage: Stages) -> VllmStage:
        return vllm_stage("qwen3")


class TestVllmAdapters(AdapterContract):
    @pytest.fixture(params=ALL_KINDS)
    def stage(self, request: pytest.FixtureRequest, vllm_stage: Stages) -> VllmStage:
        return vllm_stage(request.param, with_adapters=True)


@pytest.mark.parametrize(
    "kind", ["qwen3", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("glm4", "glm", "qwen2"))]
)
def test_greedy_ids_are_those_of_the_transformers_engine(
    vllm_stage: Stages, checkpoint: Checkpoints, kind: str
) -> None:
    prompts = [tuple((start * 31 + 7 * i) % 250 + 10 for i in range(5 + 29 * start)) for start in range(10)]
    asked = [request(prompt, max_tokens=48) for prompt in prompts]
    found: list[list[list[int]]] = []

    async def scenario(engine: Engine) -> None:
        found.append(await asyncio.gather(*(answer(engine, each) for each in asked)))

    vllm_stage(kind).play(scenario)
    play_alone(
        lambda: TransformersEngine.load(checkpoint(kind), EngineSettings(device="cpu", dtype="float32")), scenario
    )
    assert found[0] == found[1]


SAMPLED: dict[str, Any] = {"temperature": 0.9, "seed": 3, "max_tokens": 16}


@pytest.mark.parametrize(
    "changed",
    [
        {"temperature": 2.0},
        {"top_p": 0.2},
        {"top_k": 1},
        {"min_p": 0.5},
        {"logit_bias": ((33, 100.0),)},
        {"seed": 4},
        {"seed": -1},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_every_sampling_value_reaches_vllm(vllm_stage: Stages, changed: dict[str, Any]) -> None:
    async def scenario(engine: Engine) -> None:
        usual = await answer(engine, request(PROMPT, **SAMPLED))
        assert await answer(engine, request(PROMPT, **{**SAMPLED, **changed})) != usual
        assert await answer(engine, request(PROMPT, **{**SAMPLED, **changed})) == await answer(
            engine, request(PROMPT, **{**SAMPLED, **changed})
        )

    vllm_stage("qwen3").play(scenario)


@pytest.mark.parametrize("name", ["presence_penalty", "frequency_penalty", "repetition_penalty"])
def test_every_penalty_reaches_vllm(vllm_stage: Stages, name: str) -> None:
    async def scenario(engine: Engine) -> None:
        asked: dict[str, Any] = {"logit_bias": tuple((token, 30.0) for token in range(100, 106)), "max_tokens": 24}
        usual = await answer(engine, request(PROMPT, **asked))
        punished: dict[str, Any] = {**asked, name: 2.0}
        assert await answer(engine, request(PROMPT, **punished)) != usual

    vllm_stage("qwen3").play(scenario)


def test_a_value_that_vllm_does_not_take_is_refused_by_name(vllm_stage: Stages) -> None:
    async def scenario(engine: Engine) -> None:
        with pytest.raises(InvalidParameter, match="temperature=3 is not possible: on vLLM give 0 to 2"):
            await answer(engine, request(PROMPT, temperature=3))

    vllm_stage("qwen3").play(scenario)


def test_a_full_queue_is_busy_and_the_running_ones_are_not_harmed(vllm_stage: Stages) -> None:
    async def scenario(engine: Engine) -> None:
        limit = SETTINGS.queue_limit + 8
        running = [asyncio.ensure_future(answer(engine, request(PROMPT, max_tokens=40))) for _ in range(limit)]
        await asyncio.sleep(0)
        with pytest.raises(EngineBusy, match="40 requests run or wait"):
            await answer(engine, request(PROMPT))
        answers = await asyncio.gather(*running)
        assert {len(each) for each in answers} == {40}

    vllm_stage("qwen3").play(scenario)


def test_priority_decides_who_waits(vllm_stage: Stages) -> None:
    async def scenario(engine: Engine) -> None:
        ended: list[str] = []

        async def ask(name: str, priority: int, max_tokens: int) -> None:
            await answer(engine, request(PROMPT, priority=priority, max_tokens=max_tokens))
            ended.append(name)

        running = [engine.generate(request(PROMPT, max_tokens=100)) for _ in range(8)]
        for generator in running:  # every place is taken
            await anext(generator)
        late = [asyncio.ensure_future(ask("later", 5, 60)) for _ in range(8)]
        await asyncio.sleep(0)
        urgent = asyncio.ensure_future(ask("urgent", -5, 30))
        for generator in running:
            async for _ in generator:
                pass
        await asyncio.gather(*late, urgent)
        assert ended[0] == "urgent"

    vllm_stage("qwen3").play(scenario)


def test_more_adapters_than_there_is_room_for_are_refused(vllm_stage: Stages) -> None:
    stage = vllm_stage("qwen3", with_adapters=True)

    async def scenario(engine: Engine) -> None:
        for name in ("one", "two"):
            await engine.load_adapter(name, stage.adapters["first"])
        try:
            with pytest.raises(AdapterRejected, match="2 adapters are loaded, which is the limit"):
                await engine.load_adapter("three", stage.adapters["second"])
            await engine.load_adapter("two", stage.adapters["second"])
        finally:
            await engine.unload_adapter("one")
            await engine.unload_adapter("two")

    stage.play(scenario)


def test_where_many_answers_run_tokens_go_out_together_but_the_first_does_not_wait(vllm_stage: Stages) -> None:
    sizes: list[list[int]] = []

    async def sizes_of(engine: Engine) -> list[int]:
        async with aclosing(engine.generate(request(PROMPT, max_tokens=48))) as chunks:
            return [len(chunk.token_ids) async for chunk in chunks]

    async def scenario(engine: Engine) -> None:
        for _ in range(4):
            sizes.extend(await asyncio.gather(*(sizes_of(engine) for _ in range(30))))

    vllm_stage("qwen3").play(scenario)
    assert all(sum(each) == 48 for each in sizes)
    assert median(each[0] for each in sizes) == 1  # where this process comes late, vLLM has two
    assert max(max(each) for each in sizes) > 1


def test_what_it_is_is_read_back_from_vllm(vllm_stage: Stages) -> None:
    info = vllm_stage("qwen3").engine.info
    assert (info.name, info.context_window, info.device, info.dtype) == (
        "vllm",
        512,
        "cpu" if ON_CPU else "cuda:0",
        "float32",
    )
    assert info.kv_capacity >= 8 * 512
    assert info.notes == ()


def test_nothing_of_vllm_is_said_on_the_terminal(vllm_stage: Stages, capfd: pytest.CaptureFixture[str]) -> None:
    """Its processes write into the log, ours included."""
    stage = vllm_stage("qwen3")
    assert "Loading weights took" in stage.log.read_text("utf-8")
    assert capfd.readouterr() == ("", "")


class TestTheEnd:
    """One engine that computes prompts in pieces; what ends it, and what is left then."""

    def test_a_killed_process_ends_its_turns_and_a_new_one_is_started(
        self, checkpoint: Checkpoints, tmp_path: Path
    ) -> None:
        settings = EngineSettings(
            dtype="float32",
            context_window=512,
            kv_capacity=4096,
            gpu_memory_share=0.1,
            eager=True,
            chunked_prefill=True,
            engine_args={"max_num_batched_tokens": 64},
            distributed_executor_backend="uni",
            log_file=tmp_path / "engine.log",
        )
        engines: list[VllmEngine] = []

        async def start() -> Engine:
            engines.append(await asyncio.to_thread(VllmEngine.load, checkpoint("qwen3"), settings))
            return engines[-1]

        async def scenario() -> None:
            engine = await SupervisedEngine.start(start)
            try:
                if ON_CPU:
                    await self._refuses_a_seed(engine)
                assert await self._dies(engine, engines[0]) < 1.0
                assert not family_of(engines[0].process_ids)
                assert len(await answer(engine, request(PROMPT))) == 12
                assert len(engines) == 2
            finally:
                await engine.aclose()

        asyncio.run(scenario())
        assert not [process for engine in engines for process in family_of(engine.process_ids)]
        rewritten = any(
            "distributed_executor_backend=mp where uni was asked for" in note for note in engines[0].info.notes
        )
        assert rewritten == ON_CPU

    async def _refuses_a_seed(self, engine: Engine) -> None:
        assert len(await answer(engine, request(LONG))) == 12
        with pytest.raises(UnsupportedFeature, match="--no-chunked-prefill"):
            await answer(engine, request(LONG, seed=1, temperature=1.0))

    async def _dies(self, engine: Engine, vllm: VllmEngine) -> float:
        """Kill the process under a running answer; seconds until its reader heard of it."""
        loop, (leader,) = asyncio.get_running_loop(), vllm.process_ids
        before = family_of([leader])
        assert len(before) >= 2
        async with aclosing(engine.generate(request(PROMPT, max_tokens=400))) as chunks:
            await anext(chunks)
            os.kill(leader, signal.SIGKILL)
            killed = loop.time()
            with pytest.raises(EngineDead, match="its log: "):
                async for _ in chunks:
                    pass
            heard = loop.time() - killed
        await asyncio.to_thread(psutil.wait_procs, before, 5)
        assert not family_of([leader])
        return heard


@pytest.mark.slow  # a start of vLLM for one sentence
def test_without_room_for_adapters_the_cure_is_named(checkpoint: Checkpoints, tmp_path: Path) -> None:
    """An engine that is never asked anything: its start is what is shared here."""
    stages: list[tuple[str, float]] = []
    settings = replace(SETTINGS, log_file=tmp_path / "engine.log")
    engine = VllmEngine.load(checkpoint("qwen3"), settings, lambda stage, fraction: stages.append((stage, fraction)))

    async def scenario() -> None:
        try:
            with pytest.raises(AdapterRejected, match="--adapter NAME=DIR or --max-adapters 4"):
                await engine.load_adapter("first", tmp_path)
        finally:
            await engine.aclose()

    asyncio.run(scenario())
    names = list(dict.fromkeys(stage for stage, _ in stages))
    assert names[:2] == ["import", "process"]
    assert "weights" in names or "kv" in names or "warmup" in names
