"""The page on a port: served in the chat's event loop, to itself, and ended cleanly."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

import gradio as gr
import uvicorn
from fastapi import FastAPI
from gradio.routes import App

from duihua.web.layout import CSS, HEAD, theme
from duihua.web.page import Page
from duihua.web.settings import WebSettings

__all__ = ["serve"]

_GRACE_S: Final = 3  # for streams to end
# Gradio compiles what runs in the browser, and styles what it draws; nothing comes from, or goes, elsewhere.
_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'; object-src 'none'"
)
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


async def serve(page: Page, listening: socket.socket, settings: WebSettings, on_ready: Callable[[], None]) -> None:
    """Serve the page until the task is cancelled; every turn is stopped then.

    Args:
        listening: see `web.address`; closed at the end.
        on_ready: called when visitors are answered.
    """
    app = gr.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        page.blocks,
        path="/",
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        max_file_size=1,  # byte: nothing is uploaded here
        theme=theme(),
        css=CSS,
        head=HEAD,
    )
    config = uvicorn.Config(
        _Guard(app, is_local=settings.is_local),
        log_level="warning",
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config, on_ready)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(running)
    finally:
        server.should_exit = True
        await page.aclose()
        for route in app.routes:
            if isinstance(inner := getattr(route, "app", None), App):
                inner.stop_event.set()  # ends the streams by which pages say that they are open
        await running


class _Server(uvicorn.Server):
    """One that leaves signals to the command, and says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


class _Guard:
    """Keeps the page to itself: no requests elsewhere, and on this machine no page of another name gets in."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], *, is_local: bool) -> None:
        self._app = app
        self._is_local = is_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif self._is_local and _host_of(scope) not in _LOCAL_NAMES:
            await _refuse(send)
        else:
            await self._app(scope, receive, lambda message: send(_with_headers(message)))


def _host_of(scope: Scope) -> str:
    """The name by which the browser calls this server, without its port."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
    name, bracket, _ = host.rpartition("]")
    return name.lstrip("[") if bracket else host.partition(":")[0].lower()


def _with_headers(message: Any) -> Any:
    if message["type"] == "http.response.start":
        return {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
    return message


async def _refuse(send: Send) -> None:
    """Another site's name that leads here is somebody's try to use this page (DNS rebinding)."""
    body = b"this page answers to localhost only"
    await send({"type": "http.response.start", "status": 421, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
