"""Rows to learn from: what template, processor and model make of the same dialogue."""

from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
import torch
from demo.tokenizer import END, USER, id_of, save_tokenizer
from demo.turns import Dialogue, Turn
from demo.vision.corpus import Corpus, CorpusWriter, Encoder, gathered
from demo.vision.geometry import FINISH, GRIDS, IMAGE, WINDOW, new_model
from demo.vision.patches import patches_of
from demo.vision.plots import PLACE, Shown, write_dialogue
from PIL import Image
from transformers import AutoTokenizer

from drawn import corpus_of, dialogues, messages, tokenizer

TEMPLATE = Path(__file__).parents[3] / "demo/vision/chat_template.jinja"


def encoder() -> Encoder:
    return Encoder(tokenizer())


def test_a_row_is_what_the_template_renders(tmp_path: Path):
    save_tokenizer(tokenizer(), tmp_path, WINDOW)
    theirs = cast("Any", AutoTokenizer).from_pretrained(tmp_path)
    template = TEMPLATE.read_text("utf-8")
    for dialogue in dialogues(40):
        row = encoder().encode(dialogue)
        text = theirs.apply_chat_template(messages(dialogue), chat_template=template, tokenize=False) + USER
        first, *rest = text.split(IMAGE)
        sizes = [len(seen.patches) // 4 for seen in row.pictures] + [0] * 9
        expanded = first + "".join(IMAGE * size + part for size, part in zip(sizes, rest, strict=False))
        ids = theirs(expanded, add_special_tokens=False)["input_ids"]
        assert row.ids == ids[: len(row.ids)]
        assert len(row.ids) == len(ids) or len(ids) > WINDOW


def test_answers_and_their_ends_are_learnt_and_nothing_else():
    row = encoder().encode(Dialogue("Be kind.", (Turn("hi", "Hello!"), Turn("bye", "Bye!"))))
    learnt = [at for at, is_learnt in enumerate(row.learnt) if is_learnt]
    assert tokenizer().decode([row.ids[at] for at in learnt], skip_special_tokens=False) == (
        f"\nHello!{USER}\nBye!{USER}"
    )


@torch.no_grad()
def test_places_are_those_of_the_model():
    model = cast("Any", new_model(tokenizer())).model
    for (width, room), rows in corpus_of(*dialogues(40)).items():
        for ids, places, patches, grids in zip(*(rows[k] for k in ("ids", "places", "patches", "grids")), strict=True):
            types = (ids == model.config.image_token_id).int()
            size = int((ids != id_of(tokenizer(), END)).sum())
            thw = [[1, *grid] for grid in grids_of(grids)[: shown(patches)]]
            theirs, _ = model.get_rope_index(
                ids[None, :size].long(), types[None, :size], torch.tensor(thw) if thw else None
            )
            assert torch.equal(theirs[:, 0], places[:, :size].long()), (width, room)


def grids_of(numbers: torch.Tensor) -> list[tuple[int, int]]:
    return [GRIDS[int(number)] for number in numbers]


def shown(patches: torch.Tensor) -> int:
    return int(patches.flatten(1).any(-1).sum())


def test_a_picture_is_never_cut_in_two():
    picture = next(t.pictures for d in dialogues(40) for t in d.turns if isinstance(t, Shown) and t.pictures)[0]
    long = Dialogue(None, (Shown(f"{PLACE} what?", "A star. " * 12, pictures=(picture,)),) * 40)
    row = encoder().encode(long)
    assert WINDOW * 0.8 < len(row.ids) <= WINDOW
    image, finish = (id_of(tokenizer(), text) for text in (IMAGE, FINISH))
    assert row.ids.count(finish) == len(row.pictures) < 40
    assert row.ids.count(image) == sum(len(seen.patches) // 4 for seen in row.pictures)


def test_a_blank_picture_fills_a_row_up_to_its_room():
    black = lambda _: patches_of(Image.new("RGB", (112, 112), "white"))  # noqa: E731
    three = next(d for d in dialogues(900) if sum(len(t.pictures) for t in d.turns if isinstance(t, Shown)) == 3)
    rows = gathered([Encoder(tokenizer(), black).encode(three)], 0)
    ((_, room),) = rows
    (patches,) = (shape["patches"][0] for shape in rows.values())
    assert room == 4
    assert shown(patches) == 3


def listed(*taken: Corpus) -> list[tuple[tuple[int, int], list[int], int]]:
    return sorted(
        (shape, ids.tolist(), int(patches.long().sum()))
        for part in taken
        for shape, rows in part.items()
        for ids, patches in zip(rows["ids"], rows["patches"], strict=True)
    )


def test_what_other_processes_write_is_taken_in_parts_and_is_what_is_written_here():
    written = CorpusWriter(tokenizer(), "test", 30, 2)
    first, rest = written.take(0.5), written.take(1.0)
    here = corpus_of(*(write_dialogue(Random(f"test/{index}")) for index in range(30)))
    assert first
    assert listed(*first, *rest) == listed(here)
    assert written.take() == []
    written.close()


@pytest.mark.parametrize("name", ["ids", "places", "sight"])
def test_rows_are_kept_small(name: str):
    assert all(rows[name].dtype == torch.int16 for rows in corpus_of(*dialogues(3)).values())
