"""The description of the routes: `/openapi.json`, and `/docs`, a page of it that loads nothing from elsewhere."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec

from duihua.server.catalogue import AdapterRequest
from duihua.server.tokens import DetokenizeRequest, TokenizeRequest
from duihua.server.wire import ChatRequest

__all__ = ["document", "page"]

_ERRORS: Final = {
    400: "The request is not possible as asked; the error says what, why and the cure.",
    401: "No key, or a wrong one.",
    403: "A web page of an origin that may not ask.",
    404: "No such path, model or adapter.",
    405: "Another method.",
    413: "The body is larger than this server takes.",
    415: "The body is not application/json.",
    421: "A Host header of another server.",
    429: "Too many requests wait; Retry-After says when to try again.",
    500: "The answer was lost.",
    503: "The server is ending, or the engine: Retry-After says when to try again, where that has a point.",
    504: "The answer took longer than this server allows.",
}
# (method, path) -> (what it does, the body it takes, what it gives, the statuses beside 200 and those of every path)
_ALWAYS: Final = (400, 401, 405, 421)
_BODY: Final = (413, 415)
_ROUTES: Final[Mapping[tuple[str, str], tuple[str, type | None, str, tuple[int, ...]]]] = {
    ("POST", "/v1/chat/completions"): (
        "Answer a conversation, streamed or whole.",
        ChatRequest,
        "A chat.completion; with stream=true chat.completion.chunk objects as server-sent events, then [DONE].",
        (*_BODY, 404, 429, 500, 503, 504),
    ),
    ("GET", "/v1/models"): ("The model and its adapters.", None, "A list of models.", ()),
    ("GET", "/v1/models/{model}"): ("One model or adapter.", None, "A model.", (404,)),
    ("POST", "/v1/load_lora_adapter"): (
        "Load an adapter from the server's adapter directory; needs an admin key.",
        AdapterRequest,
        "The adapter, as a model.",
        (*_BODY, 404, 500, 503),
    ),
    ("POST", "/v1/unload_lora_adapter"): (
        "Forget an adapter; needs an admin key.",
        AdapterRequest,
        "Its name.",
        (*_BODY, 404, 503),
    ),
    ("POST", "/tokenize"): (
        "The token ids of a text or a conversation.",
        TokenizeRequest,
        "count, max_model_len, tokens and token_strs.",
        (*_BODY, 404, 429, 503, 504),
    ),
    ("POST", "/detokenize"): ("The text of token ids.", DetokenizeRequest, "prompt.", (*_BODY, 404)),
    ("GET", "/health"): ("The process is alive, its engine not given up.", None, "status.", (503,)),
    ("GET", "/ready"): ("The engine can answer.", None, "status.", (503,)),
    ("GET", "/metrics"): ("Counters for Prometheus.", None, "Prometheus's text format.", ()),
    ("GET", "/version"): ("The version of duihua.", None, "version.", ()),
    ("GET", "/openapi.json"): ("This description.", None, "An OpenAPI document.", ()),
    ("GET", "/docs"): ("This description, to be read.", None, "A page.", ()),
}
_KINDS: Final = {"/metrics": "text/plain", "/docs": "text/html"}


@cache
def document(version: str, *, is_guarded: bool) -> bytes:
    """The OpenAPI document, as JSON.

    Args:
        version: of duihua.
        is_guarded: whether requests need a key.
    """
    bodies = sorted({body for _, body, _, _ in _ROUTES.values() if body is not None}, key=lambda kind: kind.__name__)
    _, components = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), row in _ROUTES.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, *row)
    schemas = {**components, "Error": _ERROR_SCHEMA}
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Duihua", "version": version},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }
    if is_guarded:
        found["security"] = [{"key": []}]
    return msgspec.json.encode(found)


def _operation(
    method: str, path: str, about: str, body: type | None, gives: str, statuses: tuple[int, ...]
) -> dict[str, Any]:
    kind = _KINDS.get(path, "application/json")
    content: dict[str, Any] = {kind: {"schema": {"type": "string"} if kind != "application/json" else {}}}
    if path == "/v1/chat/completions":
        content["text/event-stream"] = {"schema": {"type": "string"}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    replies = {str(s): {"description": _ERRORS[s], "content": error} for s in sorted({*statuses, *_ALWAYS})}
    operation: dict[str, Any] = {
        "summary": about,
        "operationId": f"{method.lower()}{path.translate(str.maketrans('/{}.', '____'))}",
        "responses": {"200": {"description": gives, "content": content}, **replies},
    }
    if body is not None:
        reference = {"$ref": f"#/components/schemas/{body.__name__}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
    if "{model}" in path:
        operation["parameters"] = [{"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}]
    if path == "/health":
        operation["security"] = []
    return operation


@cache
def page(version: str, *, is_guarded: bool) -> bytes:
    """The document as a page: every route with its fields and statuses."""
    found = msgspec.json.decode(document(version, is_guarded=is_guarded))
    parts = [_HEAD.format(version=html.escape(version))]
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            parts.append(_section(method.upper(), path, operation, found["components"]["schemas"]))
    return "".join([*parts, "</main>"]).encode()


def _section(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    rows = [f"<h2><code>{method} {html.escape(path)}</code></h2><p>{html.escape(operation['summary'])}</p>"]
    if body := operation.get("requestBody"):
        name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        fields = ", ".join(f"<code>{html.escape(field)}</code>" for field in schemas[name]["properties"])
        rows.append(f"<p>Fields: {fields}</p>")
    replies = "".join(
        f"<li>{status}: {html.escape(reply['description'])}</li>" for status, reply in operation["responses"].items()
    )
    return "".join([*rows, f"<ul>{replies}</ul>"])


_HEAD: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Duihua {version}</title>
<style>main{{max-width:50em;margin:2em auto;font:16px/1.5 system-ui,sans-serif}}code{{background:#8882}}</style>
<main><h1>Duihua {version}</h1><p>An OpenAI-compatible server; <a href="openapi.json">openapi.json</a> describes it.</p>
"""
_ERROR_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
