"""The shipped checkpoint that sees: small, with the recipe's turns and processor, and its figures where they are read."""

import json
import re
from typing import Any, cast

import pytest
from demo.card import DOCS, get
from demo.tokenizer import STOPS, USER, VOCAB_SIZE
from demo.vision.corpus import Encoder
from demo.vision.evaluate import BUNDLED
from demo.vision.exams import TO_REACH
from demo.vision.export import write_processors
from demo.vision.geometry import IMAGE, MERGE, WINDOW
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from drawn import dialogues, messages

FIGURES = get((BUNDLED / "README.md").read_text("utf-8"), "figures")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return cast("Any", AutoTokenizer).from_pretrained(BUNDLED)


def test_the_checkpoint_stays_small():
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) <= 11_000_000


def test_the_stops_are_those_of_glm4(tokenizer: Any):
    ids = [tokenizer.convert_tokens_to_ids(text) for text in STOPS]
    assert json.loads((BUNDLED / "generation_config.json").read_text("utf-8"))["eos_token_id"] == ids
    assert json.loads((BUNDLED / "config.json").read_text("utf-8"))["text_config"]["eos_token_id"] == ids
    assert (len(tokenizer), tokenizer.model_max_length) == (VOCAB_SIZE, WINDOW)


def test_its_processor_is_the_recipes(tmp_path: Any):
    write_processors(tmp_path)
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == {
        path.name: path.read_text("utf-8") for path in BUNDLED.glob("*preprocessor_config.json")
    }


def test_training_and_the_template_render_the_same_ids(tokenizer: Any):
    encoder = Encoder(Tokenizer.from_file(str(BUNDLED / "tokenizer.json")))
    for dialogue in dialogues(60):
        row = encoder.encode(dialogue)
        first, *rest = (tokenizer.apply_chat_template(messages(dialogue), tokenize=False) + USER).split(IMAGE)
        if len(rest) == len(row.pictures):  # none was cut off at the window
            sizes = [len(seen.patches) // MERGE**2 for seen in row.pictures]
            text = first + "".join(IMAGE * size + part for size, part in zip(sizes, rest, strict=True))
            assert row.ids == tokenizer(text, add_special_tokens=False)["input_ids"][: len(row.ids)]


def test_every_bound_is_reached_in_both_dtypes_and_every_figure_is_on_the_pages():
    rows = [re.split(r"\s*\|\s*", row) for row in FIGURES.splitlines() if row.startswith("| **")]
    bounds = {row[1].strip("*"): (row[6], row[9], row[10]) for row in rows}
    for skill, to_reach in TO_REACH.items():
        *reached, bound = (float(figure.rstrip("%")) / 100 for figure in bounds[skill])
        assert bound == to_reach <= min(reached)
    assert {get(path.read_text("utf-8"), "sight") for path in DOCS} == {FIGURES}
