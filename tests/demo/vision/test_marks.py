"""What stands at each token of a picture."""

import torch
from demo.vision.marks import NOTHING, VALUES, Heads, marks_of
from demo.vision.picture import COLOURS, SHAPES, Kind, Picture, Thing

RED, CIRCLE = 1 + COLOURS.index("red"), 1 + SHAPES.index("circle")


def test_a_thing_is_marked_where_its_centre_is_and_within_its_circle():
    picture = Picture((Thing(Kind("circle", "red"), 28, 28, 26), Thing(Kind("star", "blue"), 105, 5, 3)), 112, 112, 1)
    marks = marks_of(picture, (8, 8)).reshape(4, 4, 3)
    assert (marks[:2, :2, 0] == CIRCLE).all()
    assert (marks[:2, :2, 1] == RED).all()
    assert marks[..., 2].tolist() == [[0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert marks[0, 3, 0] == 1 + SHAPES.index("star")  # small, and yet there
    assert not marks[2:].any()
    assert not marks[:2, 2].any()


def test_tokens_go_row_by_row_and_behind_the_last_there_is_nothing():
    picture = Picture((Thing(Kind("circle", "red"), 90, 25, 20),), 112, 56, 1)
    marks = marks_of(picture, (4, 8))
    assert marks[:8, 2].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert (marks[8:] == NOTHING).all()


def test_a_thing_on_the_border_is_marked():
    assert marks_of(Picture((Thing(Kind("circle", "red"), 112, 112, 9),), 112, 112, 1), (8, 8))[15, 2] == 1


def test_heads_learn_what_they_are_told_and_nothing_of_what_is_not_there():
    torch.manual_seed(1)
    heads, tokens = Heads(8), torch.randn(2, 16, 8)
    marks = torch.zeros(2, 16, 3, dtype=torch.uint8)
    assert heads.loss(tokens, torch.full_like(marks, NOTHING)).item() == 0
    marks[1] = NOTHING
    half = heads.loss(tokens, marks)
    assert torch.equal(half, heads.loss(tokens[:1], marks[:1]))
    chance = sum(float(torch.tensor(float(count)).log()) for count in VALUES)
    assert 0.5 * chance < half.item() < 2 * chance
    optimizer = torch.optim.Adam(heads.parameters(), 0.1)
    for _ in range(50):
        heads.loss(tokens, marks).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert heads.loss(tokens, marks).item() < 0.1
