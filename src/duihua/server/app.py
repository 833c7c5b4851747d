"""The ASGI application: who may ask, which route answers, and what every error becomes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from duihua.errors import DuihuaError
from duihua.server.catalogue import list_models, load_adapter, show_model, unload_adapter
from duihua.server.completions import chat_completions
from duihua.server.exchange import Exchange, Receive, Scope, Send
from duihua.server.failures import Refusal, engine_ended, failure_of
from duihua.server.guard import admit
from duihua.server.log import log_exchange
from duihua.server.openapi import document, page
from duihua.server.service import Service
from duihua.server.tokens import detokenize, tokenize

__all__ = ["App", "route_names"]

_log = logging.getLogger("duihua.server")

Route = Callable[[Service, Exchange], Awaitable[None]]
_MODELS: Final = "/v1/models/"


async def health(service: Service, exchange: Exchange) -> None:
    """The process is alive, and its engine is not given up: whether it can answer now is not said."""
    if service.has_ended:
        raise engine_ended()
    await exchange.reply(b'{"status":"ok"}')


async def ready(service: Service, exchange: Exchange) -> None:
    """Whether the engine can answer and the server is not ending."""
    if service.has_ended:
        raise engine_ended()
    if not await service.is_ready():
        raise Refusal(503, "not_ready", "the engine cannot answer now", headers={"retry-after": "5"})
    await exchange.reply(b'{"status":"ready"}')


async def version(service: Service, exchange: Exchange) -> None:
    """Of duihua."""
    await exchange.reply(msgspec.json.encode({"version": service.version}))


async def metrics(service: Service, exchange: Exchange) -> None:
    """What was counted, for Prometheus."""
    await exchange.reply(service.metrics.text().encode(), kind="text/plain; version=0.0.4; charset=utf-8")


async def openapi(service: Service, exchange: Exchange) -> None:
    """The description of every route."""
    await exchange.reply(document(service.version, is_guarded=bool(service.keys)))


async def docs(service: Service, exchange: Exchange) -> None:
    """The same description, to be read."""
    await exchange.reply(page(service.version, is_guarded=bool(service.keys)), kind="text/html; charset=utf-8")


_ROUTES: Final[Mapping[str, Mapping[str, Route]]] = {
    "/v1/chat/completions": {"POST": chat_completions},
    "/v1/models": {"GET": list_models},
    "/v1/load_lora_adapter": {"POST": load_adapter},
    "/v1/unload_lora_adapter": {"POST": unload_adapter},
    "/tokenize": {"POST": tokenize},
    "/detokenize": {"POST": detokenize},
    "/health": {"GET": health},
    "/ready": {"GET": ready},
    "/metrics": {"GET": metrics},
    "/version": {"GET": version},
    "/openapi.json": {"GET": openapi},
    "/docs": {"GET": docs},
}


def route_names() -> set[tuple[str, str]]:
    """(method, path) of every route."""
    return {(method, path) for path, routes in _ROUTES.items() for method in routes} | {("GET", _MODELS + "{model}")}


class App:
    """The ASGI application over one service. It assumes nothing of who owns the engine."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other kinds of connections are refused."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
            return
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])  # a server that asks for a lifespan does without
        exchange = Exchange(scope, receive, send)
        try:
            await self._answer(exchange)
        except Exception as error:  # noqa: BLE001  the edge of a request
            await self._fail(exchange, error)
        finally:
            log_exchange(exchange, self._service, _route_of(exchange.path))

    async def _answer(self, exchange: Exchange) -> None:
        if await admit(self._service, exchange):
            await _found(exchange)(self._service, exchange)

    async def _fail(self, exchange: Exchange, error: Exception) -> None:
        if not isinstance(error, DuihuaError | TimeoutError):
            _log.exception("request %s: unexpected error", exchange.request_id)
        failure = failure_of(error)
        self._service.metrics.failed(failure.code or "")
        if exchange.is_gone:
            await exchange.end()
        elif exchange.status:
            await exchange.fail_late(failure)
        else:
            await exchange.fail(failure)


def _found(exchange: Exchange) -> Route:
    """The route of this path and method.

    Raises:
        Refusal: there is none.
    """
    path, method = exchange.path, "GET" if exchange.method == "HEAD" else exchange.method
    routes = _ROUTES.get(path)
    if routes is None and path.startswith(_MODELS) and len(path) > len(_MODELS):
        routes = {"GET": _show_model}
    if routes is None:
        later = "; it comes with a later version" if path in _LATER else ""
        raise Refusal(404, "not_found", f"there is no {path[:200]} here{later}: GET /docs lists what there is")
    if method not in routes:
        allowed = ", ".join((*routes, "HEAD") if "GET" in routes else routes)
        raise Refusal(
            405, "method_not_allowed", f"{path} takes {allowed}, not {exchange.method[:20]}", headers={"allow": allowed}
        )
    return routes[method]


async def _show_model(service: Service, exchange: Exchange) -> None:
    await show_model(service, exchange, exchange.path.removeprefix(_MODELS))


def _route_of(path: str) -> str:
    """The path for the metrics: what clients make up must not fill them."""
    return path if path in _ROUTES else _MODELS + "{model}" if path.startswith(_MODELS) else "other"


_LATER: Final = ("/v1/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens", "/v1/embeddings")
