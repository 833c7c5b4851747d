"""Tokens of one answer go out together when many answers run: each handing over costs, and nobody reads so fast."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

__all__ = ["Gathering", "Pace", "tell"]

_FOR_EACH: Final = 0.001  # seconds of waiting for each other answer that runs
_OLD: Final = 0.95  # share of the past in the mean step


class Gathering:
    """How many tokens an answer hands over at once.

    Args:
        longest: seconds that a token waits for later ones at most, as far as steps are even; 0: none ever waits.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._step = 0.0  # mean seconds between two tokens of an answer; 0: not known yet

    def stepped(self, seconds: float, tokens: int) -> None:
        """An answer went on by so many tokens in so much time."""
        step = seconds / max(tokens, 1)
        self._step = step if not self._step else _OLD * self._step + (1 - _OLD) * step

    def pace(self) -> Pace:
        """For an answer that begins."""
        return Pace(self)

    def interval(self, running: int) -> int:
        """Tokens to hand over at once in an answer that begins while so many run, itself among them."""
        if not self._step:
            return 1
        wait = min(self._longest, (running - 1) * _FOR_EACH)
        return 1 + int(wait / self._step)  # a token waits for those after it, not for its own step


class Pace:
    """Tells how one answer goes on, from its first token."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._before = 0.0

    def goes_on(self, tokens: int) -> None:
        """So many tokens have come."""
        now = time.perf_counter()
        if self._before:
            self._gathering.stepped(now - self._before, tokens)
        self._before = now


def tell(llm: AsyncLLM, params: SamplingParams, interval: int) -> None:
    """Have vLLM hand the next request's tokens over so; the first and the last go out at once.

    Versions of vLLM whose requests cannot say it take it from what makes their outputs, when they are added.
    """
    if hasattr(params, "stream_interval"):
        params.stream_interval = interval
        return
    outputs: Any = llm.output_processor
    outputs.stream_interval = interval
