"""Pictures on vLLM: the contract, and the Transformers engine as the other side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from checkpoints import SEEING, make_adapter
from duihua.engine.protocol import Engine
from duihua.engine.settings import EngineSettings
from duihua.engine.transformers.engine import TransformersEngine
from duihua.engine.vllm.engine import VllmEngine
from duihua.errors import AdapterRejected
from duihua.image import Image
from duihua.request import GenerationRequest, PlacedImage
from engine.contract import LONG, PROMPT, Scenario, answer, play_alone, request
from engine.first_glm4v import TOKENS, make_first_glm4v
from engine.picture_contract import BLUE, RED, WIDE, PictureContract, drawn, seeing
from engine.seeing import marks_of, tokens_by_size
from engine.vllm.stage import SETTINGS, VllmStage

Stages = Callable[..., VllmStage]
EVERY_KIND = ["glm4v", *(pytest.param(kind, marks=pytest.mark.slow) for kind in SEEING if kind != "glm4v")]


class _Stage:
    """A vLLM that sees; see `engine.picture_contract.SeeingStage`."""

    cache_block = VllmStage.cache_block

    def __init__(self, vllm: VllmStage) -> None:
        self._vllm = vllm
        self.path = vllm.path
        self.marks = marks_of(vllm.path)
        self.adapters: Mapping[str, Path] = vllm.adapters

    def play(self, scenario: Scenario) -> None:
        self._vllm.play(scenario)

    def tokens_of(self, image: Image) -> int:
        return tokens_by_size(self.path, image)


@pytest.fixture(params=EVERY_KIND)
def stage(request: pytest.FixtureRequest, vllm_stage: Stages) -> _Stage:
    return _Stage(vllm_stage(request.param, with_adapters=True))


class TestVllm(PictureContract):
    pass


def test_greedy_ids_are_those_of_the_transformers_engine(stage: _Stage) -> None:
    """Of pictures that no processor resizes: there torchvision, which vLLM's uses, rounds otherwise than Pillow."""
    asked = [
        seeing(stage, PROMPT, RED, PROMPT[:4], max_tokens=32),
        seeing(stage, BLUE, PROMPT, RED, LONG[:5], max_tokens=32),
        seeing(stage, LONG[:60], WIDE, PROMPT[:7], max_tokens=32),
        seeing(stage, LONG[:130], RED, LONG[:140], WIDE, LONG[:30], BLUE, LONG[:9], max_tokens=32),
    ]
    found: list[list[list[int]]] = []

    async def scenario(engine: Engine) -> None:
        found.append(await asyncio.gather(*(answer(engine, each) for each in asked)))

    stage.play(scenario)
    play_alone(lambda: TransformersEngine.load(stage.path, EngineSettings(device="cpu", dtype="float32")), scenario)
    assert found[0] == found[1]


def test_an_adapter_of_the_vision_tower_is_refused_by_the_layer_it_changes(stage: _Stage, tmp_path: Path) -> None:
    """vLLM would load it and leave those layers as they are."""
    adapter = make_adapter(tmp_path / "seer", stage.path, targets=("qkv", "q_proj"))

    async def scenario(engine: Engine) -> None:
        with pytest.raises(AdapterRejected, match=r"visual.blocks.0.attn.qkv, and vLLM adapts the language tower only"):
            await engine.load_adapter("seer", adapter)

    stage.play(scenario)


@pytest.mark.slow
def test_the_first_glm_4v_sees_one_picture_in_the_place_of_three_ids(tmp_path: Path) -> None:
    mark = make_first_glm4v(tmp_path / "glm-4v-9b")
    ids = (*PROMPT, *mark, *PROMPT[:4])

    async def scenario(engine: Engine) -> None:
        assert engine.info.max_images == 1

        async def said(image: Image) -> list[int]:
            place = PlacedImage(image, len(PROMPT), len(PROMPT) + 3, TOKENS)
            return await answer(engine, replace(request(ids, temperature=0), images=(place,)))

        assert await said(RED) == await said(RED) != await said(BLUE)
        assert len(await said(drawn(300, 200))) == 12

    settings = replace(SETTINGS, log_file=tmp_path / "engine.log")
    play_alone(lambda: VllmEngine.load(tmp_path / "glm-4v-9b", settings), scenario)


def test_the_loop_goes_on_while_a_large_picture_is_made_ready(stage: _Stage) -> None:
    """Six megapixels take a third of a second; nobody else waits for a tenth of it."""
    longest: list[float] = []

    async def scenario(engine: Engine) -> None:
        loop = asyncio.get_running_loop()
        asked: GenerationRequest = seeing(stage, PROMPT, drawn(3000, 2000), PROMPT[:4], max_tokens=1)
        answering = asyncio.ensure_future(answer(engine, asked))
        while not answering.done():
            before = loop.time()
            await asyncio.sleep(0)
            longest.append(loop.time() - before)
        assert len(await answering) == 1

    stage.play(scenario)
    assert max(longest) < 0.1
