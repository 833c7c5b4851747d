"""Writes the checkpoint directory: what any engine needs to load it, and its card."""

import json
import shutil
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer
from transformers import Glm4vForConditionalGeneration

from demo.export import make_readable, save_model
from demo.tokenizer import save_tokenizer
from demo.vision.card import card
from demo.vision.geometry import DEVIATION, FRAMES, LEAST_PIXELS, MEAN, MERGE, MOST_PIXELS, PATCH, WINDOW

_HERE: Final = Path(__file__).parent


def export(model: Glm4vForConditionalGeneration, tokenizer: Tokenizer, folder: Path) -> None:
    """Write weights in bfloat16, configuration, processor, tokenizer, chat template and a card without figures."""
    save_model(model, tokenizer, folder)
    write_processors(folder)
    save_tokenizer(tokenizer, folder, WINDOW)
    shutil.copyfile(_HERE / "chat_template.jinja", folder / "chat_template.jinja")
    (folder / "README.md").write_text(card("", "None were taken yet"), encoding="utf-8")
    make_readable(folder)


def write_processors(folder: Path) -> None:
    """Write preprocessor_config.json, and that of videos, which engines look for, too."""
    for name, kind in (("preprocessor", "image_processor"), ("video_preprocessor", "video_processor")):
        text = json.dumps(_processor(kind), indent=2, sort_keys=True)
        (folder / f"{name}_config.json").write_text(text + "\n", encoding="utf-8")


def _processor(kind: str) -> dict[str, Any]:
    """GLM-4.1V's processor, with bounds of our own."""
    class_name = {"image_processor": "Glm4vImageProcessor", "video_processor": "Glm4vVideoProcessor"}[kind]
    return {
        "do_rescale": True,
        "image_mean": MEAN,
        "image_std": DEVIATION,
        f"{kind}_type": class_name,
        "merge_size": MERGE,
        "patch_size": PATCH,
        "processor_class": "Glm4vProcessor",
        "size": {"shortest_edge": LEAST_PIXELS, "longest_edge": MOST_PIXELS},
        "temporal_patch_size": FRAMES,
    }
