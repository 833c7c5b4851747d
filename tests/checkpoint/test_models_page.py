"""Each row of docs/models.md, tried on a tiny checkpoint of the same layout."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from checkpoint import layouts
from checkpoints import SEEING, make_checkpoint
from duihua.checkpoint.locate import locate
from duihua.checkpoint.read import read
from duihua.checkpoint.tokenizer import load_tokenizer
from duihua.engine.settings import EngineSettings
from duihua.engine.transformers.loading import load_model
from duihua.errors import UnsupportedModel
from duihua.families import FAMILIES
from duihua.prompt.template import ChatTemplate

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
ROW = re.compile(r"^\| (?P<name>[\w.-]+) \| `(?P<type>\w+)` \| (?P<outcome>.+?) \| (?P<vllm>[\w ]+) \|$", re.MULTILINE)
ROWS = {row["name"]: row for row in ROW.finditer(PAGE.read_text("utf-8"))}
CURES = {name: found[1] for name, row in ROWS.items() if (found := re.search(r"use `(.+)`", row["outcome"]))}

GPTQ = {"quantization_config": {"quant_method": "gptq", "bits": 4}}
NEEDS_CODE: dict[str, Callable[[Path], Path]] = {
    "glm-4-9b-chat": layouts.chatglm,
    "glm-4v-9b": lambda path: layouts.chatglm(path, vision_config={"image_size": 1120}),
    "Qwen-7B-Chat": layouts.first_qwen,
    "Qwen-1_8B-Chat": layouts.first_qwen,
    "Qwen-1_8B-Chat-Int4": lambda path: layouts.first_qwen(path, **GPTQ),
}
RUNS = {
    "glm-4-9b-chat-hf": "glm",
    "GLM-4-9B-0414": "glm4",
    "GLM-4.1V-9B-Thinking": "glm4v",
    "Qwen2.5-VL-7B-Instruct": "qwen2_5_vl",
    "Qwen3-VL-8B-Instruct": "qwen3_vl",
    "Qwen2.5-7B-Instruct": "qwen2",
    "Qwen3-8B": "qwen3",
}


def test_every_row_is_tried() -> None:
    assert set(ROWS) == set(NEEDS_CODE) | set(RUNS)
    assert set(CURES) == set(NEEDS_CODE)


def test_what_runs_on_vllm_is_in_its_suite() -> None:
    tests = Path(__file__).parents[1] / "engine" / "vllm"
    plain, seeing = ((tests / file).read_text("utf-8") for file in ("test_engine.py", "test_pictures.py"))
    for name, row in ROWS.items():
        sees = RUNS.get(name) in SEEING
        assert row["vllm"] == ("the same" if name in NEEDS_CODE else "runs with pictures" if sees else "runs")
        assert row["outcome"] == "runs, with pictures" or not sees
        assert name in NEEDS_CODE or ("in SEEING" in seeing if sees else f'"{RUNS[name]}"' in plain)


def test_every_family_is_on_the_page() -> None:
    text = PAGE.read_text("utf-8")
    for family in FAMILIES:
        assert f"| {family.title} |" in text
        assert all(f"`{model_type}`" in text for model_type in family.model_types)


@pytest.mark.parametrize("name", NEEDS_CODE)
def test_what_needs_its_own_code_is_refused_with_the_cure_the_page_gives(tmp_path: Path, name: str) -> None:
    path = NEEDS_CODE[name](tmp_path / name)
    with pytest.raises(UnsupportedModel) as caught:
        read(locate(str(path)))
    assert ROWS[name]["outcome"].startswith("`UnsupportedModel`")
    assert f"type '{ROWS[name]['type']}'" in str(caught.value)
    assert f"use {CURES[name]}, which needs none" in str(caught.value)


@pytest.mark.parametrize("name", NEEDS_CODE)
def test_its_files_are_read_once_its_code_is_allowed_and_none_of_it_runs(tmp_path: Path, name: str) -> None:
    path = NEEDS_CODE[name](tmp_path / name)  # its Python files raise when they are run
    checkpoint = read(locate(str(path)), trust_remote_code=True)
    assert checkpoint.template_is_ours
    assert (checkpoint.quantisation == "gptq") == name.endswith("Int4")
    assert checkpoint.max_input_tokens == (24000 if name.startswith("Qwen") else None)
    assert checkpoint.context_window == (8192 if name.startswith("Qwen") else 128000)
    tokenizer = load_tokenizer(checkpoint)
    assert all(tokenizer.token_to_id(literal) is not None for literal in checkpoint.family.stop_literals)


@pytest.mark.parametrize("name", RUNS)
def test_what_runs_is_read_and_loaded_and_computes(tmp_path: Path, name: str) -> None:
    checkpoint = read(locate(str(make_checkpoint(tmp_path / name, RUNS[name]))))
    assert ROWS[name]["outcome"].startswith("runs")
    assert checkpoint.config["model_type"] == ROWS[name]["type"]
    assert checkpoint.chat_template is not None
    assert not checkpoint.template_is_ours
    prompt = ChatTemplate(checkpoint.chat_template).render([{"role": "user", "content": "你好"}])
    ids = load_tokenizer(checkpoint).encode(prompt, add_special_tokens=False).ids
    loaded = load_model(checkpoint.path, EngineSettings(device="cpu", dtype="float32"))
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([ids])).logits
    assert logits.shape[:2] == (1, len(ids))
    assert bool(torch.isfinite(logits).all())
    assert checkpoint.context_window == loaded.context_window
