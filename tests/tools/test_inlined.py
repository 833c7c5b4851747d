"""References are replaced by what they refer to, but for what holds itself."""

from __future__ import annotations

from duihua.tools.inlined import inlined

POINT = {"type": "object", "properties": {"x": {"type": "number"}}}
LINE = {"type": "object", "properties": {"ends": {"type": "array", "items": {"$ref": "#/$defs/Point"}}}}
TREE = {
    "type": "object",
    "properties": {"at": {"$ref": "#/$defs/Point"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
}


def schema(name: str, **beside: str) -> dict[str, object]:
    definitions = {"Point": POINT, "Line": LINE, "Tree": TREE}
    return {"properties": {"value": {"$ref": f"#/$defs/{name}", **beside}}, "$defs": definitions}


def test_definitions_stand_where_they_are_used() -> None:
    ends = {"ends": {"type": "array", "items": POINT}}
    assert inlined(schema("Line")) == {"properties": {"value": {"type": "object", "properties": ends}}}


def test_what_stands_beside_a_reference_stays() -> None:
    assert inlined(schema("Point", description="where")) == {"properties": {"value": {**POINT, "description": "where"}}}


def test_what_holds_itself_stays_a_definition_and_the_rest_of_it_does_not() -> None:
    kids = {"type": "array", "items": {"$ref": "#/$defs/Tree"}}
    tree = {"type": "object", "properties": {"at": POINT, "kids": kids}}
    assert inlined(schema("Tree")) == {
        "properties": {"value": {"$ref": "#/$defs/Tree"}},
        "$defs": {"Tree": tree},
    }


def test_a_property_of_that_name_is_no_reference() -> None:
    plain = {"properties": {"$ref": {"type": "string"}}}
    assert inlined(plain) == plain


def test_those_that_hold_each_other_stay() -> None:
    definitions = {
        "A": {"properties": {"b": {"$ref": "#/$defs/B"}}},
        "B": {"properties": {"a": {"$ref": "#/$defs/A"}}},
    }
    made = inlined({"properties": {"value": {"$ref": "#/$defs/A"}}, "$defs": definitions})
    assert made == {"properties": {"value": {"$ref": "#/$defs/A"}}, "$defs": definitions}


def test_definitions_that_would_grow_without_bound_stay() -> None:
    both = [{"properties": {key: {"$ref": f"#/$defs/{level + 1}"} for key in "xy"}} for level in range(60)]
    schema = {"$ref": "#/$defs/0", "$defs": {**{str(level): body for level, body in enumerate(both)}, "60": {}}}
    assert inlined(schema) == schema
