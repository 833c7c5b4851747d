"""What a tool returns becomes text, JSON or pictures."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pytest
from PIL import Image as Pillow
from pydantic import BaseModel

from duihua.errors import ToolFailed
from duihua.image import Image
from duihua.tools.output import output_of
from duihua.tools.tool import ToolOutput
from duihua.vision.read import read_image


@dataclass
class Weather:
    city: str
    day: date


class Answer(BaseModel):
    value: float


RED = Pillow.new("RGB", (4, 2), (255, 0, 0))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("words\n", "words\n"),
        ("<|user|>", "<|user|>"),
        (None, ""),
        (True, "true"),
        (3, "3"),
        ({"城市": ["北京", 1.5, None]}, '{"城市":["北京",1.5,null]}'),
        ([1, 2], "[1,2]"),
        (Weather("北京", date(2026, 1, 2)), '{"city":"北京","day":"2026-01-02"}'),
        (Answer(value=0.5), '{"value":0.5}'),
        ("half \ud83d", "half ?"),
    ],
)
def test_values_become_text(value: object, text: str) -> None:
    assert output_of(value) == ToolOutput(text)


def test_pictures_stay_pictures() -> None:
    image = read_image(RED)
    assert output_of(RED).images == (image,)
    assert output_of(image) == ToolOutput("", (image,))
    assert output_of(["a", RED, {"b": 1}, image]) == ToolOutput('a\n{"b":1}', (image, image))
    assert isinstance(output_of(RED).images[0], Image)


def test_an_output_stays_as_it_is() -> None:
    output = ToolOutput("a")
    assert output_of(output) is output


def test_what_is_none_of_these_is_a_failure() -> None:
    with pytest.raises(ToolFailed, match="it returned a object"):
        output_of(object())
    itself: list[object] = []
    itself.append(itself)
    with pytest.raises(ToolFailed, match="it returned a list"):
        output_of(itself)


@pytest.mark.parametrize("place", [lambda it: it, lambda it: [1, it], lambda it: {"a": ({"b": it},)}])
def test_what_may_never_end_is_a_failure_wherever_it_is(place: Callable[[object], object]) -> None:
    with pytest.raises(ToolFailed, match=r"an iterator \(count\): return a list"):
        output_of(place(itertools.count()))


def test_a_picture_beyond_the_bounds_is_a_failure() -> None:
    with pytest.raises(ToolFailed, match="cannot be passed on"):
        output_of(Pillow.new("1", (40_000, 1)))


def test_the_name_of_a_type_is_told_within_bounds() -> None:
    class Endless:
        def __iter__(self) -> Endless:
            return self

        def __next__(self) -> int:
            return 1

    for value in (type("Long" * 1000, (), {})(), type("Long" * 1000, (Endless,), {})()):
        with pytest.raises(ToolFailed) as failure:
            output_of(value)
        assert len(str(failure.value)) < 200
