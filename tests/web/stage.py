"""The page over the scripted engine, on a port of its own, and somebody who uses it over HTTP as the page does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradio_client import Client

from chat.talk import chat, engine
from duihua.engine.scripted import ScriptedEngine
from duihua.errors import EngineError
from duihua.web.address import bound_socket, url_of
from duihua.web.page import Page
from duihua.web.serving import serve
from duihua.web.settings import WebSettings
from duihua.web.texts import Language, Say
from duihua.web.visit import Wishes

__all__ = ["Gate", "Stage", "Visitor", "served"]

PANEL = ("system", "adapter", "history_turns", "temperature", "top_p", "repetition_penalty", "max_tokens", "seed")


class Gate:
    """Lets so many tokens through, then holds the engine until it is opened.

    Attributes:
        reached: set when it holds as many requests as were named.
    """

    def __init__(self, tokens: int, *, holding: int = 1) -> None:
        self.reached = asyncio.Event()
        self._holding = holding
        self._tokens = asyncio.Semaphore(tokens)

    def pass_one(self) -> None:
        self._tokens.release()

    def open(self) -> None:
        for _ in range(10_000):
            self.pass_one()

    async def __call__(self) -> None:
        if self._tokens.locked():
            self._holding -= 1
            if self._holding <= 0:
                self.reached.set()
        await self._tokens.acquire()


@dataclass(slots=True)
class Stage:
    """A page that is up."""

    url: str
    engine: ScriptedEngine


@asynccontextmanager
async def served(
    *answers: str,
    language: Language = "en",
    size: int = 4096,
    gate: Callable[[], Awaitable[object]] | None = None,
    failure: tuple[int, EngineError] | None = None,
    reasoning: tuple[str, str] | None = None,
    adapters: Mapping[str, Path] | None = None,
    wishes: Wishes = Wishes(),
) -> AsyncGenerator[Stage]:
    """Serve the page while inside."""
    over = engine(*answers, size=size, gate=gate, failure=failure)
    model = chat(over, reasoning=reasoning)
    for name, path in (adapters or {}).items():
        await model.load_adapter(name, path)
    page = Page(model, Say(language), title="The title", wishes=wishes)
    settings, is_up = WebSettings(port=0), asyncio.Event()
    listening = bound_socket(settings)
    serving = asyncio.create_task(serve(page, listening, settings, is_up.set))
    url = f"{url_of(listening)}/"
    await is_up.wait()
    try:
        yield Stage(url, over)
    finally:
        serving.cancel()
        await asyncio.wait({serving})


@dataclass(slots=True)
class Visitor:
    """One browser session; remembers what its page shows."""

    client: Any
    shown: dict[str, Any] = field(default_factory=dict[str, Any])
    pictures: list[list[tuple[str, str]]] = field(default_factory=list[list[tuple[str, str]]])

    @classmethod
    async def arrive(cls, url: str) -> Visitor:
        return cls(await asyncio.to_thread(Client, url, verbose=False, analytics_enabled=False))

    async def send(self, text: str, **panel: str) -> None:
        """Send a message and wait for the end of its turn."""
        await self._do("/send", text, *(panel.get(name, "") for name in PANEL))

    async def retry(self, **panel: str) -> None:
        await self._do("/retry", *(panel.get(name, "") for name in PANEL))

    async def stop(self) -> None:
        await asyncio.to_thread(self.client.predict, api_name="/stop")

    async def clear(self) -> None:
        view, status = await asyncio.to_thread(self.client.predict, api_name="/clear")
        self.shown |= {"view": view, "status": status}

    @property
    def conversation(self) -> list[tuple[str, str]]:
        """(role, text) of what the chat view shows."""
        return _texts(self.shown.get("view", []))

    @property
    def titles(self) -> list[str]:
        """The titles of what is folded."""
        rows = self.shown.get("view", [])
        return [row["metadata"]["title"] for row in rows if (row.get("metadata") or {}).get("title")]

    @property
    def status(self) -> str:
        return self.shown.get("status", "")

    @property
    def order(self) -> dict[str, Any]:
        """What the input box was told last."""
        return json.loads(self.shown["order"])

    async def _do(self, name: str, *arguments: str) -> None:
        job = self.client.submit(*arguments, api_name=name)
        try:
            await asyncio.to_thread(job.result)
        finally:
            for outputs in job.outputs():
                self._see(outputs)

    def _see(self, outputs: tuple[Any, ...]) -> None:
        for name, value in zip(("view", "status", "order"), outputs, strict=True):
            if not (isinstance(value, dict) and value.get("__type__") == "update"):
                self.shown[name] = value
        self.pictures.append(self.conversation)


def _texts(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["role"], "".join(part["text"] for part in row["content"])) for row in rows]
