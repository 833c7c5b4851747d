"""Pictures on the Transformers engine: the contract, and the model's own forward pass as the other side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoImageProcessor, AutoModelForImageTextToText

from checkpoints import SEEING, make_adapter
from duihua.engine.pictured import pictured_ids
from duihua.engine.protocol import Engine
from duihua.engine.settings import EngineSettings
from duihua.engine.transformers.engine import TransformersEngine
from duihua.engine.transformers.eyes import Eyes
from duihua.engine.transformers.processor import Processor
from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.image import Image
from duihua.request import GenerationRequest, PlacedImage
from duihua.vision.pixels import decode
from engine.contract import LONG, PROMPT, Scenario, answer, collect, ids_of, play_alone, request
from engine.picture_contract import BLUE, RED, WIDE, PictureContract, drawn, seeing
from engine.seeing import marks_of, tokens_by_size

Checkpoints = Callable[[str], Path]
Adapters = Callable[[str], Mapping[str, Path]]
FLOAT32 = EngineSettings(device="cpu", dtype="float32")
EVERY_KIND = ["glm4v", *(pytest.param(kind, marks=pytest.mark.slow) for kind in SEEING if kind != "glm4v")]


class _Stage:
    cache_block = 1

    def __init__(self, path: Path, adapters: Mapping[str, Path], settings: EngineSettings = FLOAT32) -> None:
        self.path = path
        self.adapters = adapters
        self.marks = marks_of(path)
        self._settings = settings

    def play(self, scenario: Scenario) -> None:
        play_alone(lambda: TransformersEngine.load(self.path, self._settings), scenario)

    def tokens_of(self, image: Image) -> int:
        return tokens_by_size(self.path, image)


@pytest.fixture(params=EVERY_KIND)
def stage(request: pytest.FixtureRequest, checkpoint: Checkpoints, adapters: Adapters) -> _Stage:
    return _Stage(checkpoint(request.param), adapters(request.param))


class TestTransformers(PictureContract):
    pass


def without_any_cache(path: Path, asked: GenerationRequest) -> list[int]:
    """Greedy ids by the model's own forward pass over ids, pixels and kinds of tokens, computed anew for each token."""
    model: Any = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32).eval()
    processor: Any = AutoImageProcessor.from_pretrained(path, backend="pil")
    pixels = processor([decode(placed.image) for placed in asked.images], return_tensors="pt")
    numbers = pictured_ids(asked)
    ids = [model.config.image_token_id if number < 0 else number for number in numbers]
    kinds = [int(number < 0) for number in numbers]
    with torch.inference_mode():
        for _ in range(asked.decoding.max_tokens):
            model.base_model.rope_deltas = None
            told = {"input_ids": torch.tensor([ids]), "mm_token_type_ids": torch.tensor([kinds]), **pixels}
            logits = model(**told, use_cache=False).logits[0, -1]
            logits[model.config.image_token_id] = -torch.inf  # where it is chosen, the model wants one more picture
            ids.append(int(logits.argmax()))
            kinds.append(0)
    return ids[len(numbers) :]


def test_answers_are_those_of_the_model_without_any_cache(stage: _Stage) -> None:
    """One, two and three pictures; the last prompt has one across the border between two stretches of prefill."""
    unsaid = ((stage.marks[1][0], -100.0),)
    asked = [
        seeing(stage, PROMPT, RED, PROMPT[:4], logit_bias=unsaid),
        seeing(stage, drawn(61, 140), PROMPT, BLUE, PROMPT[:4], logit_bias=unsaid),
        seeing(stage, LONG[:235], WIDE, LONG[:60], RED, PROMPT, drawn(90, 33), logit_bias=unsaid),
    ]
    expected = [without_any_cache(stage.path, each) for each in asked]

    async def scenario(engine: Engine) -> None:
        alone = [await answer(engine, replace(each, cache_salt="alone")) for each in asked]
        together = await asyncio.gather(*(answer(engine, each) for each in asked))
        assert [alone, together] == [expected, expected]
        later = replace(asked[2], token_ids=(*asked[2].token_ids, *expected[2], 21, 22))
        chunks = await collect(engine, later)
        assert (chunks[0].cached_tokens or 0) > asked[2].prompt_tokens
        assert ids_of(chunks) == without_any_cache(stage.path, later)

    stage.play(scenario)


def test_a_sequence_that_makes_room_is_computed_again_to_the_same_tokens(stage: _Stage) -> None:
    asked = [seeing(stage, LONG[: 60 + i], drawn(84, 56, i), PROMPT, max_tokens=50) for i in range(5)]
    small = _Stage(stage.path, stage.adapters, replace(FLOAT32, kv_capacity=512))

    async def scenario(engine: Engine) -> None:
        alone = [await answer(engine, each) for each in asked]
        assert await asyncio.gather(*(answer(engine, each) for each in asked)) == alone

    small.play(scenario)


def test_the_tower_runs_once_for_a_picture_however_often_it_is_shown(checkpoint: Checkpoints) -> None:
    path = checkpoint("glm4v")
    stage = _Stage(path, {})
    model: Any = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32).eval()
    processor = Processor.load(path)
    seen: list[int] = []
    model.model.visual.register_forward_hook(lambda *_: seen.append(1))

    async def scenario(engine: Engine) -> None:
        for salt in ("one", "two", "three"):  # so no keys and values are shared
            await answer(engine, seeing(stage, PROMPT, RED, PROMPT, salt=salt))
        await answer(engine, seeing(stage, BLUE, PROMPT, RED))
        assert len(seen) == 2

    play_alone(lambda: TransformersEngine(model, context_window=512, processor=processor), scenario)


def test_an_adapter_of_the_vision_tower_sees_otherwise_and_leaves_the_base_as_it_was(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    path = checkpoint("glm4v")
    stage = _Stage(path, {"seer": make_adapter(tmp_path / "seer", path, targets=("qkv",), scale=2.0)})

    async def scenario(engine: Engine) -> None:
        asked, blind = seeing(stage, PROMPT, RED, PROMPT[:4]), request(PROMPT)
        before, said = await answer(engine, asked), await answer(engine, blind)
        await engine.load_adapter("seer", stage.adapters["seer"])
        seer = await answer(engine, replace(asked, adapter="seer"))
        assert seer != before
        assert await answer(engine, replace(blind, adapter="seer")) == said
        assert await answer(engine, replace(asked, cache_salt="afresh")) == before
        assert await answer(engine, replace(asked, adapter="seer", cache_salt="afresh")) == seer
        await engine.unload_adapter("seer")

    stage.play(scenario)


def test_two_pictures_side_by_side_are_refused(checkpoint: Checkpoints) -> None:
    stage = _Stage(checkpoint("glm4v"), {})
    stage.marks = ((), stage.marks[1], ())

    async def scenario(engine: Engine) -> None:
        with pytest.raises(InvalidParameter, match="something must stand between two pictures"):
            await answer(engine, seeing(stage, PROMPT, RED, BLUE))

    stage.play(scenario)


@pytest.mark.parametrize("kind", ["glm4", "glm4v"])
def test_a_model_that_sees_none_refuses_pictures_by_name(checkpoint: Checkpoints, kind: str) -> None:
    asked = replace(request(PROMPT), images=(PlacedImage(RED, 3, 4, 6),))

    async def scenario(engine: Engine) -> None:
        assert engine.info.max_images == 0
        with pytest.raises(UnsupportedFeature, match="this model sees none here"):
            await answer(engine, asked)
        assert len(await answer(engine, request(PROMPT))) == 12

    settings = replace(FLOAT32, max_images=0 if kind == "glm4v" else 8)
    play_alone(lambda: TransformersEngine.load(checkpoint(kind), settings), scenario)


def test_eyes_are_found_in_models_that_have_them_only(checkpoint: Checkpoints) -> None:
    processor = Processor.load(checkpoint("glm4v"))
    assert processor is not None
    model: Any = AutoModelForImageTextToText.from_pretrained(checkpoint("glm4v"))
    assert Eyes.of(model, processor) is not None
    assert Eyes.of(model.model.language_model, processor) is None
