"""One turn as a page shows it: what came of it so far, and the line under the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from duihua.chat.fold import Reply, TurnFold
from duihua.errors import DuihuaError, EngineDead
from duihua.events import Event, Finished, TurnFinished, TurnStarted, WindowReport
from duihua.web.texts import Say

__all__ = ["Turn", "status_line"]


@dataclass(slots=True)
class Turn:
    """What was asked, and what came of it so far."""

    text: str
    clock: Callable[[], float]  # seconds
    max_tokens: int | None = None  # what was asked for; None: as much as there is room for
    fold: TurnFold = field(default_factory=TurnFold)
    window: WindowReport | None = None
    finished: Finished | None = None
    is_complete: bool = False
    is_stopped: bool = False
    error: Exception | None = None
    _first: float = 0.0  # when the first token came
    _last: float = 0.0

    def take(self, event: Event) -> None:
        """Take in one event."""
        self.fold.add(event)
        if isinstance(event, TurnStarted):
            self._first, self.window = self.clock(), event.window
        elif isinstance(event, Finished):
            self._last, self.finished = self.clock(), event
        elif isinstance(event, TurnFinished):
            self.window, self.is_complete = event.window, True

    @property
    def reply(self) -> Reply:
        """The answer that is being given, or was given last."""
        return self.fold.answer

    @property
    def unsent(self) -> str:
        """What was asked, where nothing came of it and it has to be said again; else empty."""
        is_lost = self.error is not None or (self.is_stopped and not self.fold.has_begun)
        return self.text if is_lost else ""

    @property
    def speed(self) -> float | None:
        """Tokens per second after the first one; None where that says nothing."""
        if self.finished is None or self.finished.usage.completion_tokens < 2 or self._last <= self._first:
            return None
        return (self.finished.usage.completion_tokens - 1) / (self._last - self._first)


def status_line(say: Say, turn: Turn) -> str:
    """What there is to say under an answer: an error, or what it took and what was cut for it."""
    if turn.error is not None:
        return _error_line(say, turn.error)
    parts = [*_figures(say, turn), *_losses(say, turn)]
    if turn.is_stopped:
        parts.insert(0, say("stopped" if turn.fold.has_begun else "returned"))
    return " · ".join(parts)


def _error_line(say: Say, error: Exception) -> str:
    if not isinstance(error, DuihuaError):
        return say("unexpected", message=f"{type(error).__name__}: {error}")
    line = say("error", message=str(error))
    return f"{line} · {say('engine_starts_again')}" if isinstance(error, EngineDead) else line


def _figures(say: Say, turn: Turn) -> list[str]:
    if turn.finished is None or turn.window is None:
        return []
    usage = turn.finished.usage
    parts = [say("tokens", count=usage.completion_tokens)]
    if turn.speed is not None:
        parts.append(say("speed", speed=turn.speed))
    used = usage.prompt_tokens + usage.completion_tokens
    return [*parts, say("context", used=used, window=turn.window.context_window)]


def _losses(say: Say, turn: Turn) -> list[str]:
    """What was left out of the prompt, or of the answer."""
    window, parts = turn.window, list[str]()
    if window is None:
        return parts
    if window.dropped_exchanges:
        parts.append(say("dropped", count=window.dropped_exchanges, tokens=window.dropped_tokens))
    if window.shortened_from is not None:
        parts.append(say("shortened", before=window.shortened_from))
    if turn.finished is not None and turn.finished.reason == "length":
        if turn.max_tokens is None or window.clamped_from is not None:
            parts.append(say("cut_by_window"))
        else:
            parts.append(say("cut_by_max_tokens", limit=turn.max_tokens))
    return parts
