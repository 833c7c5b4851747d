"""Where prompts are built: small ones at once, large ones in a thread of their own.

Building a prompt takes a processor: about a second for a million characters. What is done on the event loop keeps
every stream waiting, so only work that is over in some twenty milliseconds is done there. It is done there because a
turn in a thread takes longer than most prompts, and meanwhile the loop shares the interpreter with it.

The thread has an encoder and a window of its own, which share nothing that changes with those of the loop. So neither
waits for the other. What counts is how much is new to the loop's, so a conversation mostly stays where it was built.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from duihua.errors import EngineDead
from duihua.messages import Message
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.layout import RenderOptions
from duihua.prompt.memo import characters_of
from duihua.prompt.prompt import Prompt
from duihua.prompt.window import Fitted, Window, WindowPolicy

__all__ = ["Prompts"]

_T = TypeVar("_T")
_Work = Callable[[PromptEncoder, Window], _T]

_NEW: Final = 16_384  # characters that are encoded on the loop
_KNOWN: Final = 131_072  # characters of a conversation that goes on there
_MESSAGES: Final = 256
_STRETCH: Final = 0.002  # seconds for which the thread works before it rests, so that engines and streams come to run
_REST: Final = 0.001


class _AbandonedError(Exception):
    """Nobody waits for this prompt."""


class Prompts:
    """Builds the prompts of one chat. Belongs to one event loop."""

    def __init__(self, encoder: PromptEncoder, window: Window) -> None:
        """Nothing is started before the first large prompt.

        Args:
            encoder: for the loop; the thread gets another one like it.
            window: over this encoder.
        """
        self._encoder = encoder
        self._window = window
        self._thread: ThreadPoolExecutor | None = None
        self._theirs: tuple[PromptEncoder, Window] | None = None  # the thread's
        self._is_abandoned = threading.Event()  # what it does now
        self._is_closed = False
        self._rested = 0.0

    async def fit(
        self,
        messages: Sequence[Message],
        policy: WindowPolicy,
        *,
        max_tokens: int | None = None,
        options: RenderOptions = RenderOptions(),
    ) -> Fitted:
        """See `Window.fit`."""
        if self._is_small(messages, options):
            return self._window.fit(messages, policy, max_tokens=max_tokens, options=options)
        return await self._apart(lambda _, window: window.fit(messages, policy, max_tokens=max_tokens, options=options))

    async def encode(self, messages: Sequence[Message], options: RenderOptions) -> Prompt:
        """See `PromptEncoder.encode`."""
        if self._is_small(messages, options):
            return self._encoder.encode(messages, options)
        return await self._apart(lambda encoder, _: encoder.encode(messages, options))

    async def raw(self, text: str, *, most: int | None = None) -> Prompt:
        """See `PromptEncoder.encode_raw`."""
        if len(text) <= _NEW:
            return self._encoder.encode_raw(text, most=most)
        return await self._apart(lambda encoder, _: encoder.encode_raw(text, most=most))

    async def aclose(self) -> None:
        """End the thread; what it does is given up. Safe to call twice."""
        self._is_closed = True
        if self._thread is not None:
            await asyncio.to_thread(self._thread.shutdown)

    def _is_small(self, messages: Sequence[Message], options: RenderOptions) -> bool:
        characters = sum(map(characters_of, messages)) + _length(options)
        if len(messages) > _MESSAGES or characters > _KNOWN:
            return False
        return characters <= _NEW or self._encoder.unseen(messages) <= _NEW

    async def _apart(self, work: _Work[_T]) -> _T:
        """Work in the thread, after what came before; cancelling gives it up there too.

        Raises:
            EngineDead: the chat was closed, before or meanwhile.
        """
        if self._is_closed:
            raise _closed()
        self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="duihua-prompts")
        is_abandoned = threading.Event()
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._done, work, is_abandoned)
        try:
            return await future
        except asyncio.CancelledError:
            is_abandoned.set()
            raise

    def _done(self, work: _Work[_T], is_abandoned: threading.Event) -> _T:
        self._is_abandoned = is_abandoned
        self._check()
        if self._theirs is None:
            encoder = self._encoder.apart(self._check)
            self._theirs = encoder, self._window.apart(encoder)
        return work(*self._theirs)

    def _check(self) -> None:
        if self._is_closed:
            raise _closed()
        if self._is_abandoned.is_set():
            raise _AbandonedError
        if time.monotonic() - self._rested > _STRETCH:
            time.sleep(_REST)
            self._rested = time.monotonic()


def _closed() -> EngineDead:
    return EngineDead("the model was closed")


def _length(options: RenderOptions) -> int:
    return sum(len(str(tool)) for tool in options.tools) + (len(str(options.variables)) if options.variables else 0)
