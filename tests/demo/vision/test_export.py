"""The checkpoint: transformers loads it, and it answers as the network did before."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from demo.exams.case import Held
from demo.vision.evaluate import cases_of
from demo.vision.export import export
from demo.vision.geometry import TOKENS, new_model
from demo.vision.talker import Talker
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, Glm4vForConditionalGeneration

from drawn import tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo-vision")
    model = new_model(tokenizer())
    with torch.no_grad():
        for parameter in model.parameters():  # wide, so that greedy choices are not near ties
            if parameter.ndim >= 2:
                parameter.mul_(6)
    export(model, tokenizer(), path)
    return path


def test_the_folder_holds_what_an_engine_needs_and_is_small(folder: Path):
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json",
        "tokenizer_config.json", "chat_template.jinja", "model.safetensors", "README.md",
    }  # fmt: skip
    assert (folder / "model.safetensors").stat().st_size < 11_000_000
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config["architectures"] == ["Glm4vForConditionalGeneration"]
    assert config["dtype"] == "bfloat16"
    assert config["text_config"]["attention_bias"] is True  # else vLLM leaves the biases out in silence


def test_the_ids_of_the_configuration_are_those_of_the_tokenizer(folder: Path):
    config = AutoConfig.from_pretrained(folder)
    theirs = cast("Any", AutoTokenizer).from_pretrained(folder)
    names = {"image_token_id": "<|image|>", "image_start_token_id": "<|begin_of_image|>", "video_token_id": "<|video|>"}
    for key, text in names.items():
        assert getattr(config, key) == theirs.convert_tokens_to_ids(text)
    assert theirs.chat_template
    assert theirs.model_max_length == config.text_config.max_position_embeddings


def test_the_processor_bounds_a_picture_to_its_tokens(folder: Path):
    processor = AutoImageProcessor.from_pretrained(folder)
    for size in ((2000, 1500), (112, 112), (30, 30), (300, 600)):
        (grid,) = processor(Image.new("RGB", size), return_tensors="pt")["image_grid_thw"].tolist()
        assert 4 <= grid[1] * grid[2] // 4 <= TOKENS


def test_loaded_again_it_gives_the_same_greedy_answers(folder: Path):
    cases = cases_of(1)[:6]
    first, second = (Talker(folder, "cpu", dtype=torch.float32, greedy=True).hold(cases) for _ in "ab")
    assert answers(first) == answers(second)
    assert any(text for text in answers(first))


def answers(held: list[Held]) -> list[str]:
    return [reply.answer for one in held for reply in one.replies]


@torch.no_grad()
def test_before_and_after_export_the_same_ids_come(tmp_path: Path):
    model = cast("Any", new_model(tokenizer())).eval()
    ids = torch.tensor([[1, 2, 3, model.config.image_token_id, *[9] * 5]])
    picture = torch.randn(4, 1176, generator=torch.Generator().manual_seed(1)).bfloat16().float()
    shown: dict[str, Any] = {
        "input_ids": ids,
        "pixel_values": picture,
        "image_grid_thw": torch.tensor([[1, 2, 2]]),
        "mm_token_type_ids": (ids == model.config.image_token_id).int(),
    }
    rounded = model.to(torch.bfloat16).to(torch.float32)
    before = rounded.generate(**shown, max_new_tokens=12, do_sample=False, eos_token_id=None)
    export(model, tokenizer(), tmp_path)
    again = cast("Any", Glm4vForConditionalGeneration).from_pretrained(tmp_path, dtype=torch.float32).eval()
    after = again.generate(**shown, max_new_tokens=12, do_sample=False, eos_token_id=None)
    assert torch.equal(before, after)
