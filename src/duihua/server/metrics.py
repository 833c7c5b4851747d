"""What a server counts, as Prometheus reads it. Nothing here takes a lock: all of it runs in one event loop."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from duihua.chat.protocol import Burst
from duihua.events import Finished, RoundFinished, ToolCallReady, ToolResult, TurnFinished, TurnStarted, Usage

__all__ = ["Histogram", "Metrics", "Tally"]

_FIRST: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds
_BETWEEN: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_WHOLE: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_NOTHING: Final = Usage(prompt_tokens=0, completion_tokens=0)
_WITHOUT: Final = (TurnStarted, TurnFinished, ToolCallReady, ToolResult)  # events that bring no token of an answer


class Histogram:
    """Counts of values up to each bound, in Prometheus's sense."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """One more value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def rows(self, name: str, labels: str = "") -> Iterable[str]:
        """Its lines in Prometheus's text format, each with these labels."""
        count = 0
        for bound, more in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            count += more
            yield f'{name}_bucket{{{labels}{"," if labels else ""}le="{bound}"}} {count}'
        tail = f"{{{labels}}}" if labels else ""
        yield f"{name}_sum{tail} {self.total:.6f}"
        yield f"{name}_count{tail} {count}"


class Metrics:
    """Counters, gauges and histograms of one server.

    Args:
        running: requests that run or wait, asked when somebody reads the metrics.
        waiting: of these, those without a first token.
        ready: whether the engine can answer.

    Attributes:
        completion_tokens: of all answers; a `Tally` adds to it at every step.
    """

    def __init__(self, *, running: Callable[[], int], waiting: Callable[[], int], ready: Callable[[], bool]) -> None:
        self._gauges = {"running_requests": running, "waiting_requests": waiting, "ready": ready, "tasks": _tasks}
        self._replies: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._windows: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self.completion_tokens = 0
        self.first_token = Histogram(_FIRST)
        self.between_tokens = Histogram(_BETWEEN)
        self._whole: dict[str, Histogram] = {}

    def replied(self, path: str, status: int, seconds: float | None = None) -> None:
        """A request ended, so long after it came; `path` is a route, not what a client wrote."""
        labels = f'path="{path}",status="{status}"'
        self._replies[labels] += 1
        if seconds is not None:
            self._whole.setdefault(labels, Histogram(_WHOLE)).observe(seconds)

    def failed(self, code: str) -> None:
        """An answer ended with this error."""
        self._errors[code] += 1

    def began(self, event: TurnStarted, seconds: float) -> None:
        """A first token came, so long after its request."""
        self.first_token.observe(seconds)
        window = event.window
        self._tokens["prompt"] += event.prompt_tokens
        self._tokens["cached"] += event.cached_tokens
        self._windows["dropped"] += bool(window.dropped_exchanges)
        self._windows["clamped"] += window.clamped_from is not None
        self._windows["shortened"] += window.shortened_from is not None

    def prompted(self, prompt_tokens: int, cached_tokens: int) -> None:
        """So many more tokens of prompts: of the rounds of calls after a turn's first."""
        self._tokens["prompt"] += prompt_tokens
        self._tokens["cached"] += cached_tokens

    def called(self, burst: Burst) -> None:
        """Count the calls among these events."""
        for event in burst:
            if isinstance(event, ToolCallReady):
                self._calls["made"] += 1
            elif isinstance(event, ToolResult):
                self._calls["failed" if event.is_error else "run"] += 1
            elif isinstance(event, Finished) and event.malformed_calls:
                self._calls["malformed"] += event.malformed_calls

    def text(self) -> str:
        """Everything, in Prometheus's text format 0.0.4."""
        rows: list[str] = []

        def add(name: str, kind: str, about: str, lines: Iterable[str]) -> None:
            rows.extend((f"# HELP duihua_{name} {about}", f"# TYPE duihua_{name} {kind}", *lines))

        for name, read in self._gauges.items():
            add(name, "gauge", _ABOUT[name], [f"duihua_{name} {int(read())}"])
        replies = [f"duihua_requests_total{{{labels}}} {count}" for labels, count in self._replies.items()]
        add("requests_total", "counter", "Requests answered.", replies)
        for name, label, counts in (
            ("errors_total", "code", self._errors),
            ("tokens_total", "kind", {**self._tokens, "completion": self.completion_tokens}),
            ("window_cuts_total", "kind", self._windows),
            ("tool_calls_total", "kind", self._calls),
        ):
            lines = [f'duihua_{name}{{{label}="{key}"}} {count}' for key, count in counts.items()]
            add(name, "counter", _ABOUT[name], lines)
        for name, histograms in (
            ("first_token", {"": self.first_token}),
            ("between_tokens", {"": self.between_tokens}),
            ("whole_request", self._whole),
        ):
            lines = [row for labels, each in histograms.items() for row in each.rows(f"duihua_{name}_seconds", labels)]
            add(f"{name}_seconds", "histogram", _ABOUT[name], lines)
        return "\n".join(rows) + "\n"


class Tally:
    """Counts the tokens of one turn as they come, also of one that does not come to its end.

    Attributes:
        tokens: so far. Of answers among which the best are chosen, the others are known at the end only.
    """

    __slots__ = ("_last", "_metrics", "_prompts", "_rounds", "tokens")

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._last: dict[int, float] = {}  # choice -> when tokens of it came
        self._prompts = _NOTHING  # that are counted
        self._rounds = _NOTHING  # of calls, that are complete
        self.tokens = 0

    def came(self, burst: Burst, now: float) -> None:
        """Tokens that came at once are one step, whose time is from the step before of the same choice."""
        for event in burst:
            if isinstance(event, TurnStarted):  # which `Metrics.began` counts
                counted = {"prompt_tokens": event.prompt_tokens, "cached_tokens": event.cached_tokens}
                self._prompts = replace(_NOTHING, **counted)
            elif isinstance(event, RoundFinished):
                self._rounds += event.usage
                self._prompted(self._rounds)
            elif isinstance(event, ToolResult):
                self._last.clear()  # the time until the next token is a tool's
            if isinstance(event, _WITHOUT) or not event.token_ids:
                continue
            tokens = len(event.token_ids)
            self.tokens += tokens
            self._metrics.completion_tokens += tokens
            last = self._last.get(event.choice, now)
            if last != now:
                self._metrics.between_tokens.observe(now - last)
            self._last[event.choice] = now

    def ended(self, usage: Usage) -> None:
        """The turn is complete, and this is what it took."""
        self._metrics.completion_tokens += usage.completion_tokens - self.tokens
        self.tokens = usage.completion_tokens
        self._prompted(usage)

    def _prompted(self, usage: Usage) -> None:
        """Count what is new of the prompts of all rounds so far."""
        told, self._prompts = self._prompts, usage
        self._metrics.prompted(usage.prompt_tokens - told.prompt_tokens, usage.cached_tokens - told.cached_tokens)


_ABOUT: Final = {
    "running_requests": "Answers that run or wait for their first token.",
    "waiting_requests": "Answers that wait for their first token: queued, or their prompt is being computed.",
    "ready": "Whether the engine can answer.",
    "tasks": "Tasks of the server's event loop.",
    "errors_total": "Answers that ended with an error, by its code.",
    "tokens_total": "Tokens of prompts, of these found in the prefix cache, and of answers.",
    "window_cuts_total": "Conversations that were cut, answers that were clamped, texts that were shortened.",
    "tool_calls_total": "Calls that answers made, malformed ones, those that this server ran, and that failed.",
    "first_token": "From the request to its first token, queueing included.",
    "between_tokens": "From one token of a choice, or several that came at once, to the next.",
    "whole_request": "From the request to its end.",
}


def _tasks() -> int:
    return len(asyncio.all_tasks())
