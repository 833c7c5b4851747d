"""What stands at each token of a picture: the vision tower is taught it directly, beside what is said of the picture.

From answers alone the tower learns colours within a hundred steps, and shapes only after very many: one word among
twenty depends on them, and it tells nothing about where to look. The heads that are taught here are not exported.
"""

from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from demo.vision.geometry import MERGE, TOKENS
from demo.vision.patches import Grid
from demo.vision.picture import COLOURS, DIGITS, SHAPES, Picture, Thing

Marks: TypeAlias = NDArray[np.uint8]

NOTHING: Final = 255  # there is no such token: nothing to be learnt
# How many values each mark has: shape or digit, colour, both 0 where there is none; whether a thing's centre is here.
VALUES: Final = (1 + len(SHAPES) + len(DIGITS), 1 + len(COLOURS), 2)
_FORMS: Final = (*SHAPES, *DIGITS)
_IGNORED: Final = -100


def marks_of(picture: Picture, grid: Grid) -> Marks:
    """Shape, colour and centre (16, 3) at each token, in the model's order; `NOTHING` behind the last.

    Args:
        picture: what is drawn.
        grid: patches down and across.
    """
    down, across = grid[0] // MERGE, grid[1] // MERGE
    marks = np.full((TOKENS, len(VALUES)), NOTHING, np.uint8)
    at_home = {_cell(thing, picture, down, across): thing for thing in picture.things}
    for cell in range(down * across):
        row, column = divmod(cell, across)
        x, y = (column + 0.5) / across * picture.width, (row + 0.5) / down * picture.height
        thing = at_home.get(cell) or _around(picture, x, y)
        marks[cell] = 0, 0, cell in at_home
        if thing is not None:
            marks[cell, :2] = 1 + _FORMS.index(thing.kind.shape), 1 + COLOURS.index(thing.kind.colour)
    return marks


def _cell(thing: Thing, picture: Picture, down: int, across: int) -> int:
    row, column = int(thing.y / picture.height * down), int(thing.x / picture.width * across)
    return min(row, down - 1) * across + min(column, across - 1)


def _around(picture: Picture, x: float, y: float) -> Thing | None:
    """The thing in whose circle this point is; circles do not overlap."""
    return next((t for t in picture.things if (t.x - x) ** 2 + (t.y - y) ** 2 <= t.radius**2), None)


class Heads(nn.Linear):
    """Reads marks off the tokens that the tower gives."""

    def __init__(self, width: int) -> None:
        super().__init__(width, sum(VALUES))

    def loss(self, tokens: Tensor, marks: Tensor) -> Tensor:
        """The sum of the marks' mean losses.

        Args:
            tokens: (pictures, 16, width).
            marks: (pictures, 16, 3) uint8.
        """
        tokens = tokens.float()
        found = self(tokens * (tokens.square().mean(-1, keepdim=True) + 1e-6).rsqrt())
        wanted = marks.long().masked_fill(marks == NOTHING, _IGNORED).flatten(0, 1).unbind(-1)
        parts = found.flatten(0, 1).split(VALUES, -1)
        losses = [
            nn.functional.cross_entropy(part, want, ignore_index=_IGNORED, reduction="sum")
            for part, want in zip(parts, wanted, strict=True)
        ]
        return torch.stack(losses).sum() / (wanted[0] != _IGNORED).sum().clamp(min=1)
