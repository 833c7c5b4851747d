"""The page: what happens when a visitor does something."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from html import escape
from typing import Any, Final, cast
from weakref import WeakSet

import gradio as gr

from duihua.chat.protocol import ChatService
from duihua.errors import InvalidParameter, RequestError
from duihua.web.layout import SAMPLED, Parts, lay_out
from duihua.web.rows import rows_of_record, rows_of_turn
from duihua.web.texts import Say
from duihua.web.turn import Turn, status_line
from duihua.web.visit import Visit, Wishes

__all__ = ["Page"]

Picture = dict[Any, Any]
"""What changes on the page: parts of it to their values."""

_PAUSE_S: Final = 0.05  # between two pictures of an answer that streams
# On a narrow screen the open panel would hide the page.
_OPEN: Final = "() => ({__type__: 'update', open: window.innerWidth >= 768})"
# Runs in the browser, so that no key typed meanwhile is lost. A message leaves the box when it was accepted, and comes
# back where nothing came of it; until then, and where the server is gone, it stays.
_OBEY: Final = """(typed, order) => {
  const {text, take} = JSON.parse(order || '{"text": ""}');
  const isThere = typed.startsWith(text);
  if (take) return isThere ? typed.slice(text.length) : typed;
  return isThere ? typed : typed ? text + "\\n" + typed : text;
}"""


class Page:
    """The page over one chat; make it in the chat's event loop.

    Args:
        title: above the conversation.
        wishes: what the panel starts with, and all that it does not show.

    Attributes:
        blocks: the page as Gradio's.
    """

    def __init__(self, chat: ChatService, say: Say, *, title: str, wishes: Wishes) -> None:
        self._chat = chat
        self._say = say
        self._wishes = wishes
        self._visits: WeakSet[Visit] = WeakSet()
        self._numbers = itertools.count()  # of orders: the box hears of one when it differs from the one before
        with gr.Blocks(title=title, analytics_enabled=False, fill_height=True) as self.blocks:
            self._parts = lay_out(say, chat.info, chat.adapters, wishes, title)
            self._wire(self._parts)

    async def aclose(self) -> None:
        """Stop every turn that runs."""
        for visit in list(self._visits):
            await visit.stop()

    def _wire(self, parts: Parts) -> None:
        shown = [parts.visit, parts.view, parts.status, parts.order, parts.send, parts.stop, parts.retry]
        answering: dict[str, Any] = {
            "outputs": shown,
            "show_progress": "hidden",
            "concurrency_limit": None,
            "api_visibility": "undocumented",
        }
        at_once: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "undocumented"}
        sending = [parts.box.submit, parts.send.click]
        gr.on(sending, self._send, inputs=[parts.visit, parts.box, *parts.panel], api_name="send", **answering)
        cast("Any", self.blocks).load(None, outputs=parts.side, js=_OPEN)
        parts.order.change(None, inputs=[parts.box, parts.order], outputs=parts.box, js=_OBEY)
        parts.retry.click(self._retry, inputs=[parts.visit, *parts.panel], api_name="retry", **answering)
        parts.stop.click(self._stop, inputs=[parts.visit], api_name="stop", **at_once)
        cleared = [parts.view, parts.status]
        clearing = [parts.clear.click, parts.view.clear]
        gr.on(clearing, self._clear, inputs=[parts.visit], outputs=cleared, api_name="clear", **at_once)

    async def _send(self, visit: Visit | None, text: str, *panel: Any) -> AsyncGenerator[Picture]:
        visit = visit or self._arrived()
        if not text.strip():
            yield {self._parts.visit: visit}
            return
        order = self._order(text, take=True)
        try:
            async with aclosing(self._answer(visit, visit.ask(text, self._wished(*panel)))) as pictures:
                async for picture in pictures:
                    yield {**picture, **order}
                    order = {}
            if visit.turn is not None and visit.turn.unsent:
                yield self._order(text, take=False)
        except RequestError as error:
            yield {self._parts.visit: visit, self._parts.status: self._failure(error)}

    async def _retry(self, visit: Visit | None, *panel: Any) -> AsyncGenerator[Picture]:
        visit = visit or self._arrived()
        try:
            async with aclosing(self._answer(visit, visit.again(self._wished(*panel)))) as pictures:
                async for picture in pictures:
                    yield picture
        except RequestError as error:
            yield {self._parts.visit: visit, self._parts.status: self._failure(error)}

    async def _stop(self, visit: Visit | None) -> None:
        if visit is not None:
            await visit.stop()

    async def _clear(self, visit: Visit | None) -> Picture:
        if visit is not None:
            await visit.clear()
        return {self._parts.view: [], self._parts.status: ""}

    async def _answer(self, visit: Visit, turns: AsyncGenerator[Turn]) -> AsyncGenerator[Picture]:
        """A turn as it streams, and what is left of it at its end."""
        parts, said = self._parts, None
        last: Turn | None = None
        async with aclosing(turns):
            async for turn in turns:
                last = turn
                if not visit.is_answering:
                    break
                begun: Picture = {}
                if said is None:
                    said = rows_of_record(self._say, visit.conversation.record)
                    begun = {parts.visit: visit, parts.status: "", **self._buttons(is_answering=True)}
                yield {parts.view: [*said, *rows_of_turn(self._say, turn)], **begun}
                await asyncio.sleep(_PAUSE_S)
        ended: Picture = {parts.visit: visit, **self._buttons(is_answering=False)}
        if last is not None and last is visit.turn:  # else the conversation was cleared meanwhile
            ended |= {parts.view: rows_of_record(self._say, visit.conversation.record)}
            ended |= {parts.status: _line(status_line(self._say, last), is_error=last.error is not None)}
        yield ended

    def _order(self, text: str, *, take: bool) -> Picture:
        """Tells the box to let a message go, or to have it back."""
        return {self._parts.order: json.dumps({"text": text, "take": take, "number": next(self._numbers)})}

    def _arrived(self) -> Visit:
        visit = Visit(self._chat)
        self._visits.add(visit)
        return visit

    def _wished(self, system: str, adapter: str, turns: str, *sampled: str) -> Wishes:
        """What the panel says.

        Raises:
            InvalidParameter: a value that cannot be.
        """
        values = {name: _number(name, text) for name, text in zip(SAMPLED, sampled, strict=True)}
        return Wishes(
            system=system.strip() or None,
            sampling=replace(self._wishes.sampling, **cast("Any", values)),
            window=replace(self._wishes.window, max_exchanges=cast("Any", _number("history_turns", turns))),
            adapter=adapter,
        )

    def _buttons(self, *, is_answering: bool) -> Picture:
        parts = self._parts
        return {
            parts.send: gr.update(visible=not is_answering),
            parts.stop: gr.update(visible=is_answering),
            parts.retry: gr.update(interactive=not is_answering),
        }

    def _failure(self, error: RequestError) -> str:
        return _line(self._say("error", message=str(error)), is_error=True)


def _number(name: str, text: str) -> float | None:
    """The number that a text stands for, None for an empty one.

    Raises:
        InvalidParameter: it stands for none.
    """
    for kind in (int, float):
        try:
            return kind(text) if text.strip() else None
        except ValueError:
            continue
    raise InvalidParameter(name, text, "give a number, or nothing")


def _line(text: str, *, is_error: bool) -> str:
    return f'<span class="{"error" if is_error else "said"}" role="status">{escape(text)}</span>' if text else ""
