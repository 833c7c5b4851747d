"""What is said about a turn: the dim line after an answer, and the clear ones when something was cut."""

from __future__ import annotations

from dataclasses import dataclass

from duihua.events import FinishReason, Usage, WindowReport
from duihua.terminal.texts import Say

__all__ = ["Timing", "cut_line", "dropped_line", "status_line", "window_lines"]


@dataclass(slots=True)
class Timing:
    """Moments of one turn, in seconds of one clock."""

    asked: float
    first: float | None = None  # when the first token came
    last: float | None = None
    idle: float = 0.0  # between the first and the last token, while tools ran

    @property
    def first_token_s(self) -> float | None:
        """Seconds until the first token."""
        return None if self.first is None else self.first - self.asked

    def speed(self, completion_tokens: int) -> float | None:
        """Tokens per second after the first one; None where that says nothing."""
        if self.first is None or self.last is None or completion_tokens < 2:
            return None
        seconds = self.last - self.first - self.idle
        return (completion_tokens - 1) / seconds if seconds > 0 else None


def status_line(say: Say, usage: Usage, window: WindowReport, timing: Timing, *, used: int | None = None) -> str:
    """Tokens, speed, time to first token, context used, cached prefix: what is known of them.

    Args:
        used: tokens of the context; None: those of the usage, of one answer to one prompt.
    """
    parts = [say("tokens", count=usage.completion_tokens)]
    if usage.reasoning_tokens:
        parts.append(say("thinking_tokens", count=usage.reasoning_tokens))
    if (speed := timing.speed(usage.completion_tokens)) is not None:
        parts.append(say("speed", speed=speed))
    if timing.first_token_s is not None:
        parts.append(say("first_token", seconds=timing.first_token_s))
    used = usage.prompt_tokens + usage.completion_tokens if used is None else used
    parts.append(say("context", used=used, window=window.context_window))
    if usage.cached_tokens and usage.prompt_tokens:
        parts.append(say("cached", percent=100 * usage.cached_tokens // usage.prompt_tokens))
    return " · ".join(parts)


def window_lines(say: Say, report: WindowReport, before: WindowReport | None, *, overlong: str | None) -> list[str]:
    """What the window did to this turn's prompt that it had not done to the one before.

    Args:
        before: the report of the turn before this one.
        overlong: the policy by which a long message was shortened.
    """
    lines: list[str] = []
    if dropped := dropped_line(say, report, before):
        lines.append(dropped)
    if report.shortened_from is not None:
        lines.append(say("shortened", before=report.shortened_from, overlong=overlong))
    if report.clamped_from is not None and (before is None or before.clamped_from != report.clamped_from):
        lines.append(say("clamped", asked=report.clamped_from, room=report.max_tokens or 0))
    return lines


def dropped_line(say: Say, report: WindowReport, before: WindowReport | None) -> str | None:
    """The line about exchanges that this turn was the first to leave out."""
    count = report.dropped_exchanges - (before.dropped_exchanges if before else 0)
    if count <= 0:
        return None
    return say(
        "dropped",
        count=count,
        tokens=max(report.dropped_tokens - (before.dropped_tokens if before else 0), 0),
        kept=report.prompt_tokens,
        limit=report.limit,
        total=report.dropped_exchanges,
    )


def cut_line(say: Say, reason: FinishReason, report: WindowReport, max_tokens: int | None, *, cure: str) -> str | None:
    """The line about an answer that did not end by itself.

    Args:
        max_tokens: what was asked for; None: as much as there is room for.
        cure: how to ask for more, here.
    """
    if reason == "tool_calls":
        return say("cut_by_calls")
    if reason == "context_full":
        return say("cut_by_results", window=report.context_window)
    if reason != "length":
        return None
    if max_tokens is None or report.clamped_from is not None:
        return say("cut_by_window", window=report.context_window)
    return say("cut_by_max_tokens", limit=max_tokens, cure=cure)
