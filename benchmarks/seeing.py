"""What a made-up checkpoint of GLM-4.1V has beyond text, and made-up pictures to show it."""

from __future__ import annotations

import json
import random
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

__all__ = ["MARKS", "PARTS", "PATCH_SIDE", "Sight", "Size", "make_picture", "picture_part", "write_processors"]

Size = tuple[int, int]  # pixels across and down

MARKS: Final = (
    *("<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>", "<|image|>", "<|video|>"),
)
# What stands in a template for a message's content.
PARTS: Final = (
    "{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}"
    "{% if part.type == 'image' %}<|begin_of_image|><|image|><|end_of_image|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}"
)
PATCH_SIDE: Final = 28  # pixels along a side of what becomes one token
_FRAMES: Final = 2  # a still picture counts as two equal frames
# CLIP's, as in the published preprocessor_config.json.
_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION: Final = (0.26862954, 0.26130258, 0.27577711)
_COARSE: Final = 16  # pixels along a side of a spot of a made-up picture
_NOISE: Final = 6  # steps of 255, so that a file has some detail to store


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The shape of a vision tower."""

    shape: dict[str, Any]
    rotary: tuple[int, int, int]  # pairs of a head's numbers that turn with time, height and width
    least_tokens: int  # of a picture
    most_tokens: int

    def settings(self, text: Mapping[str, Any], token: Callable[[str], int]) -> dict[str, Any]:
        """What goes into a `Glm4vConfig`.

        Args:
            text: the settings of the language tower.
            token: gives the id of a literal.
        """
        rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
        fixed = {"patch_size": PATCH_SIDE // 2, "spatial_merge_size": 2, "temporal_patch_size": _FRAMES}
        return {
            "text_config": {**text, "rope_parameters": {**rope, "mrope_section": list(self.rotary)}},
            "vision_config": {**self.shape, **fixed, "out_hidden_size": text["hidden_size"]},
            "image_token_id": token("<|image|>"),
            "video_token_id": token("<|video|>"),
            "image_start_token_id": token("<|begin_of_image|>"),
            "image_end_token_id": token("<|end_of_image|>"),
            "video_start_token_id": token("<|begin_of_video|>"),
            "video_end_token_id": token("<|end_of_video|>"),
        }


def write_processors(path: Path, sight: Sight) -> None:
    """Write how pictures are cut up, in the published form: bounds in pixels over both frames."""
    a_token = PATCH_SIDE**2 * _FRAMES
    shared = {
        "processor_class": "Glm4vProcessor",
        "size": {"shortest_edge": sight.least_tokens * a_token, "longest_edge": sight.most_tokens * a_token},
        "do_rescale": True,
        "patch_size": PATCH_SIDE // 2,
        "temporal_patch_size": _FRAMES,
        "merge_size": 2,
        "image_mean": _MEAN,
        "image_std": _DEVIATION,
    }
    for file, kind in (("preprocessor", "image"), ("video_preprocessor", "video")):
        named = {f"{kind}_processor_type": f"Glm4v{kind.capitalize()}Processor"}
        (path / f"{file}_config.json").write_text(json.dumps(named | shared), encoding="utf-8")


def make_picture(seed: str, size: Size) -> bytes:
    """A JPEG file of soft spots and some noise; the same one for the same seed."""
    from PIL import Image, ImageChops

    width, height = size
    coarse = (-(-width // _COARSE), -(-height // _COARSE))
    source = random.Random(seed)
    spots = Image.frombytes("RGB", coarse, source.randbytes(coarse[0] * coarse[1] * 3))
    grain = Image.frombytes("L", size, bytes(source.choices(range(_NOISE), k=width * height)))
    picture = ImageChops.add(spots.resize(size, Image.Resampling.BICUBIC), grain.convert("RGB"))
    file = BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def picture_part(seed: str, size: Size) -> dict[str, Any]:
    """Such a picture as a part of a message, in a data URL."""
    url = f"data:image/jpeg;base64,{b64encode(make_picture(seed, size)).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}
