"""What streamed and whole replies share."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from duihua.chat.protocol import ModelInfo
from duihua.events import Finished, Usage, WindowReport
from duihua.server.ask import Ask

__all__ = ["Joint", "extension_of", "fingerprint_of", "finish_of", "stop_reason", "usage_of", "window_header"]


class Joint:
    """The blank line between what was said before tools ran and after."""

    def __init__(self) -> None:
        self._was_said = False
        self._is_due = False

    def close_round(self) -> None:
        """The tools run now."""
        self._is_due = self._was_said

    def before_text(self) -> str:
        """What stands before more text."""
        is_due, self._is_due, self._was_said = self._is_due, False, True
        return "\n\n" if is_due else ""


def fingerprint_of(info: ModelInfo) -> str:
    """Names what makes answers: the same for the same model, engine, device and number format."""
    engine = info.engine
    text = f"{info.name} {engine.name} {engine.device} {engine.dtype} {engine.context_window}"
    return f"fp_{sha256(text.encode()).hexdigest()[:12]}"


def window_header(report: WindowReport) -> str:
    """What became of the conversation, for a header; empty where nothing did."""
    if not report.eventful:
        return ""
    said = {
        "dropped_exchanges": report.dropped_exchanges or None,
        "dropped_tokens": report.dropped_tokens or None,
        "clamped_from": report.clamped_from,
        "max_tokens": None if report.clamped_from is None else report.max_tokens,
        "shortened_from": report.shortened_from,
    }
    return "; ".join(f"{name}={value}" for name, value in said.items() if value is not None)


def finish_of(event: Finished, *, has_calls: bool) -> str:
    """OpenAI's word for how a choice ended: calls are the client's only where it was given some."""
    if event.reason == "tool_calls":
        return "tool_calls" if has_calls else "length"
    return "length" if event.reason == "context_full" else event.reason


def stop_reason(event: Finished, ask: Ask, *, has_calls: bool) -> str | int | None:
    """As vLLM tells it: what the request named, a stop string or a token's id; None at the model's own end.

    Of an answer that ended at a bound of the tools that this server runs, which bound: "context_full", "tool_limit".
    """
    if event.reason == "context_full":
        return event.reason
    if event.reason == "tool_calls" and not has_calls:
        return "tool_limit"
    own = isinstance(event.stopped_by, int) and event.stopped_by not in (ask.sampling.stop_token_ids or ())
    return None if own else event.stopped_by


def usage_of(usage: Usage) -> dict[str, Any]:
    """OpenAI's usage object."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def extension_of(report: WindowReport | None, **more: Any) -> dict[str, Any]:
    """The extension field of a reply, where there is something to tell.

    Args:
        report: what the window did.
        more: further fields of it, those that are not empty.
    """
    told = {name: value for name, value in more.items() if value}
    if report is not None and report.eventful:
        told["window"] = {
            "kept_exchanges": report.kept_exchanges,
            "dropped_exchanges": report.dropped_exchanges,
            "dropped_tokens": report.dropped_tokens,
            "first_kept": report.first_kept,
            "prompt_tokens": report.prompt_tokens,
            "limit": report.limit,
            "context_window": report.context_window,
            "max_tokens": report.max_tokens,
            "clamped_from": report.clamped_from,
            "shortened_from": report.shortened_from,
        }
    return {"duihua": told} if told else {}
