"""What a checkpoint's own image processor makes of a picture, told without making it."""

import logging

import pytest
from PIL import Image

from checkpoints import SEEING, make_checkpoint
from duihua.checkpoint import Checkpoint, locate, read
from duihua.checkpoint.processor import load_image_processor

SIZES = [
    (1, 1), (1, 7), (9, 1), (13, 13), (14, 14), (15, 27), (28, 28), (29, 28), (27, 29), (31, 17), (42, 42), (55, 57),
    (56, 56), (57, 56), (64, 64), (70, 14), (84, 99), (97, 101), (100, 80), (111, 113), (128, 96), (150, 30), (31, 199),
    (190, 2), (200, 200), (224, 224), (239, 241), (333, 77), (400, 300), (513, 511), (640, 480), (1000, 37), (1, 199),
]  # fmt: skip


@pytest.fixture(scope="module", params=SEEING)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return read(locate(str(make_checkpoint(tmp_path_factory.mktemp("seeing") / request.param, request.param))))


def test_a_picture_s_patches_are_known_from_its_size(checkpoint: Checkpoint) -> None:
    processor = load_image_processor(checkpoint)
    assert processor is not None
    for width, height in SIZES:
        made = processor(images=[Image.new("RGB", (width, height))], return_tensors="np")
        assert processor.get_number_of_image_patches(height, width, {}) == made["image_grid_thw"].prod(), (
            width,
            height,
        )


def test_a_checkpoint_without_an_image_processor_says_so_in_the_log(
    checkpoint: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    file = checkpoint.path / "preprocessor_config.json"
    kept = file.read_bytes()
    for content in (
        None,
        b"{",
        b'{"image_processor_type": "NoSuchProcessor"}',
        b'{"image_processor_type": "ViTImageProcessor"}',
    ):
        file.unlink() if content is None else file.write_bytes(content)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert load_image_processor(checkpoint) is None
        assert str(checkpoint.path) in caplog.text
    file.write_bytes(kept)
