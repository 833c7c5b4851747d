"""`POST /v1/chat/completions`: one turn, streamed or whole."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from duihua.chat.protocol import Burst
from duihua.errors import DuihuaError, RequestError
from duihua.events import TurnFinished, TurnStarted
from duihua.server.ask import Ask, read_ask
from duihua.server.exchange import DONE, Exchange
from duihua.server.failures import failure_of
from duihua.server.form import at_field
from duihua.server.frames import PING, ChunkWriter
from duihua.server.metrics import Tally
from duihua.server.reply import window_header
from duihua.server.running import Job
from duihua.server.service import Service
from duihua.server.whole import Whole

__all__ = ["chat_completions"]

_SSE = "text/event-stream; charset=utf-8"
_LARGE = 8192  # bytes of a request whose schemas are checked in a thread: that takes up to a tenth of a second
_CHECKED = (b"response_format", b"structured_outputs", b"guided_", b"tools")
_HEADERS = (("cache-control", "no-cache"), ("x-accel-buffering", "no"))


async def chat_completions(service: Service, exchange: Exchange) -> None:
    """Answer a conversation.

    The client's leaving, the request's deadline and the server's end cancel the turn within one decoding step.

    Raises:
        DuihuaError, TimeoutError: before anything was answered.
    """
    body = await exchange.body(service.settings.max_body_bytes)
    read = partial(read_ask, body, service.chat, service.settings, service.defaults, service.tool_schemas)
    is_long = len(body) > _LARGE and any(word in body for word in _CHECKED)
    ask = await asyncio.to_thread(read) if is_long else read()
    if service.settings.log_prompts:
        exchange.notes["messages"] = [message.to_dict() for message in ask.messages]
    exchange.notes |= {"model": ask.model, "streamed": ask.is_streamed}
    service.pictures.check(ask.wanted, service.chat.info)
    service.check_alive()
    with service.running.job() as job:
        answer = _Answer(service, exchange, ask, job)
        watcher = asyncio.create_task(_watch(exchange, job))
        try:
            async with asyncio.timeout(service.settings.deadline_seconds):
                await answer.run()
        except asyncio.CancelledError:
            if not job.is_cancelled_by_us():
                raise
            await answer.fail(job.ended_by)
        except (DuihuaError, TimeoutError) as error:
            await answer.fail(error)
        finally:
            watcher.cancel()


async def _watch(exchange: Exchange, job: Job) -> None:
    await exchange.left()
    job.end(None)


class _Answer:
    """One turn on its way to one client."""

    def __init__(self, service: Service, exchange: Exchange, ask: Ask, job: Job) -> None:
        self._service = service
        self._exchange = exchange
        self._ask = ask
        self._job = job
        self._reply_id = f"chatcmpl-{secrets.token_hex(12)}"
        self._pinger: asyncio.TimerHandle | None = None
        self._pinging: asyncio.Task[None] | None = None
        self._tally = Tally(service.metrics)
        self._written = 0.0  # when something was written last
        self._last = b""  # what comes once every choice has ended goes out with the end

    async def run(self) -> None:
        """To the end."""
        ask, messages = self._ask, self._ask.messages
        if ask.wanted:
            messages = await self._service.pictures.shown(messages, ask.wanted)
        chat, tools = self._service.chat, self._service.tools
        if ask.runs and tools is not None:
            bursts = tools.bursts(chat, messages, ask.sampling, ask.options, ask.runs)
        else:
            bursts = chat.bursts(messages, ask.sampling, ask.options)
        async with aclosing(bursts):
            if ask.is_streamed:
                await self._stream(bursts)
            else:
                await self._whole(bursts)

    async def fail(self, error: BaseException | None) -> None:
        """End with an error: a reply where nothing was answered yet, else an event; nothing where nobody listens."""
        self._job.settle()
        if isinstance(error, RequestError):
            error = at_field(self._ask.form_field, error) if self._ask.options.form is not None else error
        if isinstance(error, DuihuaError):
            self._service.heard(error)
        if self._job.has_begun:
            self._exchange.notes["completion_tokens"] = self._tally.tokens
        if error is None or self._exchange.is_gone:
            self._exchange.notes["left"] = True
            return
        failure = failure_of(error, self._ask.options.window)
        self._service.metrics.failed(failure.code or "")
        if self._exchange.status == 0:
            await self._exchange.fail(failure)
            return
        if self._last:
            await self._exchange.write(self._last)
        await self._exchange.fail_late(failure)

    async def _whole(self, bursts: AsyncGenerator[Burst]) -> None:
        whole = Whole(self._reply_id, self._ask, self._service.chat)
        async for burst in bursts:
            self._note(burst)
            whole.burst(burst)
        report = whole.report
        said = "" if report is None else window_header(report)
        await self._exchange.reply(whole.body(), headers=self._told(said))

    async def _stream(self, bursts: AsyncGenerator[Burst]) -> None:
        writer = ChunkWriter(self._reply_id, self._ask, self._service.chat)
        exchange = self._exchange
        self._ping_later()
        try:
            async for burst in bursts:
                self._note(burst)
                data = writer.burst(burst)
                if exchange.status == 0:
                    await self._open(burst)
                if writer.is_complete:
                    self._last += data
                elif data:
                    self._written = time.monotonic()
                    await exchange.write(data)
        finally:
            for ping in (self._pinger, self._pinging):
                if ping is not None:
                    ping.cancel()
        await exchange.end(self._last + DONE)

    async def _open(self, burst: Burst) -> None:
        started = burst[0] if burst else None
        said = window_header(started.window) if isinstance(started, TurnStarted) else ""
        await self._exchange.start(_SSE, self._told(said))

    def _told(self, window: str) -> tuple[tuple[str, str], ...]:
        told = _HEADERS if self._ask.is_streamed else ()
        if window:
            told = (*told, ("x-duihua-window", window))
        if self._ask.left_out:
            told = (*told, ("x-duihua-ignored", ", ".join(name for name in self._ask.left_out if name.isascii())[:500]))
        return told

    def _note(self, burst: Burst) -> None:
        """Count what came."""
        first, last, now = burst[0], burst[-1], time.perf_counter()
        self._tally.came(burst, now)
        if self._ask.has_tools or self._ask.runs:
            self._service.metrics.called(burst)
        if isinstance(first, TurnStarted):
            self._job.has_begun = True
            self._service.began(first, now - self._exchange.started)
            self._exchange.notes["first_token"] = round(now - self._exchange.started, 4)
            self._exchange.notes["prompt_tokens"] = first.prompt_tokens
        else:
            self._service.stepped()
        if isinstance(last, TurnFinished):
            self._tally.ended(last.usage)
            self._exchange.notes["prompt_tokens"] = last.usage.prompt_tokens  # of all rounds
            self._exchange.notes["completion_tokens"] = self._tally.tokens

    def _ping_later(self) -> None:
        every = self._service.settings.ping_seconds
        if every:
            self._pinger = asyncio.get_running_loop().call_later(every, self._ping)

    def _ping(self) -> None:
        if time.monotonic() - self._written >= self._service.settings.ping_seconds:
            self._pinging = self._service.spawn(self._write_ping())
        self._ping_later()

    async def _write_ping(self) -> None:
        """A comment, so that nothing between here and the client thinks the connection dead."""
        if self._exchange.status == 0:
            await self._exchange.start(_SSE, self._told(""))
        await self._exchange.write(PING)
