"""A checkpoint's own image processor, without torchvision."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpoints import SEEING
from duihua.engine.transformers.processor import Processor
from duihua.errors import InvalidImage
from engine.picture_contract import ODD_SIZES, drawn
from engine.seeing import tokens_by_size

Checkpoints = Callable[[str], Path]

# What a user's machine is, where nothing but `pip install duihua` was done.
_WITHOUT_TORCHVISION = """
import asyncio, importlib.util, sys
from dataclasses import replace
from pathlib import Path

sys.modules["torchvision"] = None
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name.startswith("torchvision") else real(name, *rest)

from duihua.engine.settings import EngineSettings
from duihua.engine.transformers.engine import TransformersEngine
from duihua.request import PlacedImage
from engine.contract import PROMPT, answer, request
from engine.picture_contract import RED

engine = TransformersEngine.load(Path(sys.argv[1]), EngineSettings(device="cpu", dtype="float32"))
asked = replace(request((*PROMPT, 19, *PROMPT[:4])), images=(PlacedImage(RED, 40, 41, 6),))
print(*asyncio.run(answer(engine, asked)))
asyncio.run(engine.aclose())
assert sys.modules["torchvision"] is None
"""


@pytest.mark.parametrize("kind", SEEING)
def test_every_size_is_cut_into_as_many_patches_as_it_has_tokens(checkpoint: Checkpoints, kind: str) -> None:
    path = checkpoint(kind)
    processor = Processor.load(path)
    assert processor is not None
    for width, height in ODD_SIZES:
        image = drawn(width, height)
        patches = processor.patches(image)
        assert processor.tokens(patches.grid) == tokens_by_size(path, image)
        assert len(patches.values) == patches.grid[0] * patches.grid[1] * patches.grid[2]


def test_a_shape_that_the_model_does_not_take_is_refused_by_its_size(checkpoint: Checkpoints) -> None:
    processor = Processor.load(checkpoint("glm4v"))
    assert processor is not None
    with pytest.raises(InvalidImage, match=r"takes no picture of 2 x 900 pixels.*crop it") as refusal:
        processor.patches(drawn(2, 900))
    assert refusal.value.why == "shape"


def test_a_checkpoint_without_one_has_none(checkpoint: Checkpoints, tmp_path: Path) -> None:
    assert Processor.load(tmp_path) is None
    assert Processor.load(checkpoint("glm4")) is None


def test_still_pictures_need_no_torchvision(checkpoint: Checkpoints) -> None:
    path = checkpoint("glm4v")
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TORCHVISION, path],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2], timeout=120,
        env={"PYTHONPATH": f"{Path(__file__).parents[2]}:{Path(__file__).parents[3] / 'src'}", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 12
