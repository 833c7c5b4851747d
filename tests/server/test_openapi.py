"""The description of the routes, against the routes."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from duihua.server.app import route_names
from duihua.server.openapi import document, page
from duihua.server.wire import FIELDS
from server.asgi import ask, asked, serving


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return json.loads(document("1.2.3", is_guarded=True))


def references(value: object) -> set[str]:
    if isinstance(value, dict):
        found = {item for key, item in value.items() if key == "$ref" and isinstance(item, str)}
        return found.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_every_route_is_described_and_no_other(described: dict[str, Any]) -> None:
    found = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert found == route_names()


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    found = references(described)
    assert "#/components/schemas/ChatRequest" in found
    assert {f"#/components/schemas/{name}" for name in described["components"]["schemas"]} >= found


def test_the_request_s_fields_are_all_there(described: dict[str, Any]) -> None:
    schema = described["components"]["schemas"]["ChatRequest"]
    assert set(schema["properties"]) == set(FIELDS)
    assert schema["required"] == ["messages"]
    assert schema["additionalProperties"] is False


def test_ids_of_operations_are_different(described: dict[str, Any]) -> None:
    found = [operation["operationId"] for methods in described["paths"].values() for operation in methods.values()]
    assert len(found) == len(set(found))
    assert all(re.fullmatch(r"\w+", name) for name in found)


def test_keys_are_described_where_there_are_some(described: dict[str, Any]) -> None:
    assert described["security"] == [{"key": []}]
    assert described["paths"]["/health"]["get"]["security"] == []
    assert "security" not in json.loads(document("1.2.3", is_guarded=False))


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/v1/chat/completions", "post", s) for s in (200, 400, 401, 404, 405, 413, 415, 421, 429, 500, 503, 504)]
    + [("/v1/models/{model}", "get", 404), ("/tokenize", "post", 400), ("/health", "get", 400), ("/ready", "get", 503)],
)
def test_statuses_are_described(described: dict[str, Any], path: str, method: str, status: int) -> None:
    assert str(status) in described["paths"][path][method]["responses"]


def test_the_error_object_is_as_described(described: dict[str, Any]) -> None:
    schema = described["components"]["schemas"]["Error"]["properties"]["error"]
    assert set(schema["required"]) <= set(asked(serving(), strange=1).error)


def test_the_server_tells_its_description() -> None:
    found = ask(serving(), "GET", "/openapi.json").json()
    assert found["openapi"] == "3.1.0"
    assert "security" not in found
    guarded = ask(
        serving(keys=["a-key-of-mine"]), "GET", "/openapi.json", headers=(("authorization", "Bearer a-key-of-mine"),)
    )
    assert guarded.json()["security"]


def test_the_page_loads_nothing_from_elsewhere_and_names_every_route() -> None:
    reply = ask(serving(), "GET", "/docs")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    text = reply.body.decode()
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text)
    assert "<script" not in text
    for method, path in route_names():
        assert f"{method} {path}" in text
    assert b"&lt;1&gt;" in page("<1>", is_guarded=False)


def test_the_description_of_a_body_is_what_is_read(described: dict[str, Any]) -> None:
    """Each field's schema is msgspec's own, so an example that it makes is accepted or refused by name."""
    for name, schema in described["components"]["schemas"]["ChatRequest"]["properties"].items():
        reply = asked(serving(), **{name: schema.get("default")} if name != "messages" else {})
        assert reply.status == 200, (name, msgspec.json.encode(schema))


def test_the_fields_of_a_picture_are_described(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    kinds = schemas["ContentPart"]["properties"]["image_url"]["anyOf"]
    assert {"type": "string"} in kinds
    assert {"$ref": "#/components/schemas/ImageUrl"} in kinds
    assert schemas["ImageUrl"]["required"] == ["url"]
    detail = schemas["ImageUrl"]["properties"]["detail"]["anyOf"]
    assert {"type": "string", "enum": ["auto", "low", "high"]} in detail
