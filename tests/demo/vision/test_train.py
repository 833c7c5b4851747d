"""Training: it goes through the very network that is exported, and a few dialogues are learnt by heart."""

import itertools
from typing import Any, cast

import pytest
import torch
from demo.tokenizer import END, id_of
from demo.train import TrainSettings
from demo.turns import Dialogue, Turn
from demo.vision.corpus import Corpus, Encoder, gathered, table
from demo.vision.geometry import DEVIATION, MEAN, new_config, new_model
from demo.vision.marks import Heads
from demo.vision.picture import Kind, Picture, Thing
from demo.vision.plots import PLACE, Shown
from demo.vision.tower import Tower
from demo.vision.train import Batches, logits_of, losses_of, optimizers_of, train
from transformers import Glm4vForConditionalGeneration

from drawn import dialogues, tokenizer

WIDTH = 40  # tokens


@torch.no_grad()
def test_what_is_trained_is_what_transformers_runs():
    model = cast("Any", new_model(tokenizer())).eval()
    encoder = Encoder(tokenizer())
    row = max((encoder.encode(d) for d in dialogues(60)), key=lambda row: len(row.pictures) * (len(row.ids) < 256))
    (rows,) = gathered([row], id_of(tokenizer(), END)).values()
    tokens = Tower(model.model.visual).see(rows["patches"].flatten(0, 1), rows["grids"].flatten().long())
    ours = logits_of(model, tokens, rows)[0, : len(row.ids)]
    ids = torch.tensor([row.ids])
    mean, deviation = (torch.tensor(of)[:, None, None] for of in (MEAN, DEVIATION))
    shown = [torch.from_numpy(seen.patches.copy()).view(-1, 3, 1, 196) for seen in row.pictures]
    theirs = model(
        input_ids=ids,
        pixel_values=torch.cat([((p / 255 - mean) / deviation).repeat(1, 1, 2, 1).flatten(1) for p in shown]),
        image_grid_thw=torch.tensor([[1, *seen.grid] for seen in row.pictures]),
        mm_token_type_ids=(ids == model.config.image_token_id).int(),
    ).logits[0]
    assert len(row.pictures) > 1
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def question(shape: str, colour: str) -> Dialogue:
    picture = Picture((Thing(Kind(shape, colour), 56, 56, 30),), 112, 112, 5)
    return Dialogue(None, (Shown(f"{PLACE}What is this?", f"A {colour} {shape}.", pictures=(picture,)),))


def test_a_few_dialogues_that_differ_in_their_pictures_alone_are_learnt():
    asked = [question(*kind) for kind in (("circle", "red"), ("square", "blue"), ("star", "red"), ("circle", "green"))]
    encoder = Encoder(tokenizer())
    rows = table([encoder.encode(dialogue) for dialogue in asked], WIDTH, 1, id_of(tokenizer(), END))
    config = cast("Any", new_config(tokenizer()))
    config.text_config.num_hidden_layers, config.vision_config.depth = 2, 1
    torch.manual_seed(1)
    model = Glm4vForConditionalGeneration(config)
    settings = TrainSettings(
        steps=61, tokens_per_step=8 * WIDTH, peak_rate=3e-3, muon_rate=0.01, warmup=5, compiled=False
    )
    losses = train(model, [{(WIDTH, 1): rows}], settings, "cpu")
    with torch.no_grad():
        last, _ = losses_of(model, Tower(cast("Any", model).model.visual), Heads(256), rows, "cpu")
    assert losses[0] > 7
    assert last < 0.05
    assert losses[-1] < losses[0]


def test_muon_takes_the_matrices_of_the_layers_and_adamw_every_other_weight():
    net = cast("Any", new_model(tokenizer()))
    heads = Heads(256)
    adamw, muon = optimizers_of(net, TrainSettings(muon_rate=0.01), heads)
    taken = [p for optimizer in (adamw, muon) for group in optimizer.param_groups for p in group["params"]]
    assert len(taken) == len({id(p) for p in taken}) == len([*net.parameters(), *heads.parameters()])
    by_muon = {id(p) for group in muon.param_groups for p in group["params"]}
    names = {name for name, p in net.named_parameters() if id(p) in by_muon}
    assert "model.visual.blocks.0.attn.qkv.weight" in names
    assert "model.language_model.layers.4.mlp.down_proj.weight" in names
    assert not [name for name in names if "embed" in name or "norm" in name or "downsample" in name]


def test_what_comes_later_is_learnt_from_too():
    first, *rest = (question("circle", colour) for colour in ("red", "blue", "green"))
    encoder, later = Encoder(tokenizer()), iter(rest)

    def more() -> list[Corpus]:
        return [{(WIDTH, 1): table([encoder.encode(d) for d in itertools.islice(later, 1)], WIDTH, 1, 0)}]

    corpus = {(WIDTH, 1): table([encoder.encode(first)], WIDTH, 1, 0)}
    batches = Batches([corpus], TrainSettings(tokens_per_step=128 * WIDTH), "cpu")
    for count in (2, 3):
        batches.add(more())
        assert batches.count == count
        assert len({tuple(ids) for ids in batches.draw()["ids"].tolist()}) == count


def test_steps_without_pictures_may_come_between_those_with_some():
    encoder = Encoder(tokenizer())
    plain = table([encoder.encode(Dialogue(None, (Turn("Hello!", "Hi."),)))], WIDTH, 0, 0)
    shown = table([encoder.encode(question("circle", "red"))], WIDTH, 1, 0)
    corpus = [{(WIDTH, 0): plain, (WIDTH, 1): shown}]
    settings = TrainSettings(steps=21, tokens_per_step=8 * WIDTH, muon_rate=0.01, warmup=5, compiled=False)
    losses = train(new_model(tokenizer()), corpus, settings, "cpu")
    assert losses[-1] < losses[0]


def test_a_step_whose_gradients_are_not_finite_is_given_up(capsys: pytest.CaptureFixture[str]):
    rows = table([Encoder(tokenizer()).encode(question("circle", "red"))], WIDTH, 1, 0)
    model = new_model(tokenizer())
    layer = cast("Any", model).model.visual.merger
    times = itertools.count()
    layer.register_forward_hook(lambda _, __, out: out * float("nan") if next(times) == 2 else out)
    train(model, [{(WIDTH, 1): rows}], TrainSettings(steps=3, tokens_per_step=8 * WIDTH, compiled=False), "cpu")
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert "steps given up 1" in capsys.readouterr().out


def test_training_ends_where_nothing_is_learnt_any_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("demo.vision.train.EVERY", 1)
    rows = table([Encoder(tokenizer()).encode(question("circle", "red"))], WIDTH, 1, 0)
    model = new_model(tokenizer())
    cast("Any", model).model.visual.merger.register_forward_hook(lambda _, __, out: out * float("nan"))
    with pytest.raises(FloatingPointError, match="of 11 steps 11 given up"):
        train(model, [{(WIDTH, 1): rows}], TrainSettings(steps=99, tokens_per_step=WIDTH, compiled=False), "cpu")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler asks tensors for what it then ignores
def test_compiled_layers_learn_as_plain_ones_do():
    encoder = Encoder(tokenizer())
    corpus = gathered([encoder.encode(d) for d in dialogues(12)], id_of(tokenizer(), END))
    ends: list[list[float]] = []
    for compiled in (False, True):
        settings = TrainSettings(steps=2, tokens_per_step=2048, compiled=compiled, muon_rate=0.01)
        ends.append(train(new_model(tokenizer()), [corpus], settings, "cpu"))
    assert ends[0] == pytest.approx(ends[1], rel=1e-3)
