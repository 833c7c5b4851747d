"""A function's parameters are told to the model as a schema, and what it gives is checked against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field

from duihua.errors import ConfigError, InvalidToolArguments
from duihua.tools.parameters import Parameters

if TYPE_CHECKING:
    from nowhere import Missing  # pyright: ignore[reportMissingImports]


class Unit(Enum):
    C = "celsius"
    F = "fahrenheit"


@dataclass
class Point:
    x: float
    y: float = 0.0


class Place(BaseModel):
    name: str
    points: list[Point] = []


class Node(BaseModel):
    value: int
    next: Optional[Node] = None  # noqa: UP045  the older form is read too


NOWHERE = object()


def everything(  # pyright: ignore[reportUnknownParameterType]
    count: int,
    unit: Unit,
    mode: Literal["fast", "good"],
    place: Place,
    at: Point | None,
    day: date,
    tags: list[str],
    weights: dict[str, float],
    either: int | str = 3,
    limit: Annotated[int, Field(ge=1, description="how many at most")] = 10,
    *,
    model_config: bool = False,
    copy: object = NOWHERE,
) -> Missing: ...


def demo(
    city: Annotated[str, "The city", True],
    days: Annotated[int, "How many days", False] = 3,
    note: Annotated[str, "Anything", False] = "",
    must: Annotated[bool, "Must be said", True] = False,
    may: Annotated[str | None, "May be left out", False] = None,
) -> None: ...


def plain(city: str, days: int = 3) -> None: ...


def read(function: Callable[..., Any], **described: str) -> Parameters:
    return Parameters(function, described)


GIVEN: dict[str, Any] = {
    "count": 2, "unit": "celsius", "mode": "fast", "place": {"name": "Paris", "points": [{"x": 1}]},
    "at": None, "day": "2026-01-02", "tags": ["a"], "weights": {"a": 0.5},
}  # fmt: skip


# The schema


def test_the_schema_has_types_defaults_and_descriptions_and_no_titles() -> None:
    assert read(plain, city="its name").schema == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "its name"},
            "days": {"type": "integer", "default": 3},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def test_every_kind_of_annotation_is_told() -> None:
    schema = read(everything).schema
    told = schema["properties"]
    assert list(told) == [*GIVEN, "either", "limit", "model_config", "copy"]
    assert schema["required"] == list(GIVEN)
    assert told["unit"]["enum"] == ["celsius", "fahrenheit"]
    assert told["mode"]["enum"] == ["fast", "good"]
    assert told["place"]["properties"]["points"]["items"]["properties"]["y"]["default"] == 0.0
    assert told["at"]["anyOf"][1] == {"type": "null"}
    assert told["day"] == {"type": "string", "format": "date"}
    assert told["weights"] == {"type": "object", "additionalProperties": {"type": "number"}}
    assert told["either"] == {"anyOf": [{"type": "integer"}, {"type": "string"}], "default": 3}
    assert told["limit"] == {"type": "integer", "minimum": 1, "default": 10, "description": "how many at most"}
    assert told["copy"] == {}
    assert "$defs" not in schema


def test_a_type_that_holds_itself_is_a_definition() -> None:
    def walk(node: Node) -> None: ...

    walk.__annotations__ = {"node": Node}
    assert list(read(walk).schema["$defs"]) == ["Node"]


def test_the_demos_form_says_description_and_whether_it_is_required() -> None:
    schema = read(demo, city="the docstring's").schema
    assert schema["required"] == ["city", "must"]
    assert [part["description"] for part in schema["properties"].values()] == [
        "The city", "How many days", "Anything", "Must be said", "May be left out",
    ]  # fmt: skip


def test_what_the_demos_form_calls_optional_may_be_left_out_without_a_default() -> None:
    def search(query: Annotated[str, "What", False]) -> None: ...

    search.__annotations__ = {"query": Annotated[str, "What", False]}
    assert "required" not in read(search).schema
    assert read(search).check({}) == {"query": None}


# The check


def test_arguments_come_as_the_types_of_the_annotations() -> None:
    checked = read(everything).check(GIVEN)
    assert checked["unit"] is Unit.C
    assert checked["place"] == Place(name="Paris", points=[Point(1.0)])
    assert checked["day"] == date(2026, 1, 2)
    assert checked["at"] is None
    assert "copy" not in checked


def test_defaults_are_the_function_s_own() -> None:
    assert read(plain).check({"city": "Paris"}) == {"city": "Paris"}


def test_a_number_in_quotation_marks_is_a_number() -> None:
    assert read(plain).check({"city": "Paris", "days": "5"}) == {"city": "Paris", "days": 5}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "'city' is missing"),
        ({"city": "Paris", "days": "soon"}, "'days' is 'soon': input should be a valid integer"),
        ({"city": 3}, "'city' is 3: input should be a valid string"),
        ({"city": "Paris", "unit": "c"}, "there is no parameter 'unit': they are city, days"),
        ({"city": ["x" * 1000]}, "..."),
    ],
)
def test_what_is_wrong_is_told_to_the_model(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidToolArguments) as caught:
        read(plain).check(arguments)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400
    assert "parameter_" not in str(caught.value)


def test_problems_deep_inside_name_their_place() -> None:
    with pytest.raises(InvalidToolArguments, match=r"'place.points.0.x' is missing"):
        read(everything).check({**GIVEN, "place": {"name": "Paris", "points": [{}]}})


def test_many_problems_are_counted() -> None:
    with pytest.raises(InvalidToolArguments, match="and 94 more") as caught:
        read(plain).check({f"x{index}": 1 for index in range(101)})
    assert len(caught.value.problems) == 9


# What cannot be a tool


def variadic(*numbers: int) -> None: ...
def keywords(**numbers: int) -> None: ...
def positional(number: int, /) -> None: ...
def bare(number) -> None: ...  # type: ignore[no-untyped-def]  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]
def lost(number: Missing) -> None: ...  # pyright: ignore[reportUnknownParameterType]
def odd(number: Callable[[], int]) -> None: ...
def foreign(number: ast_walker) -> None: ...  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable, reportUnknownParameterType]


class Opaque: ...


def opaque(number: Opaque) -> None: ...


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (variadic, "has no name"),
        (keywords, "has no name"),
        (positional, "has no name"),
        (bare, "'number' has no type"),
        (lost, "an annotation cannot be read"),
        (foreign, "an annotation cannot be read"),
        (odd, "cannot come as JSON"),
        (opaque, "cannot come as JSON"),
    ],
)
def test_a_signature_that_cannot_be_told_is_refused_by_name(function: Callable[..., Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        read(function)
    assert function.__name__ in str(caught.value)
