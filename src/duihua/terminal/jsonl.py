"""Events as JSON lines, for programs.

    {"type": "image", "name": "cat.png", "media_type": "image/png", "width": 64, "height": 64, "sha256": "9f86..."}
    {"type": "turn_started", "prompt_tokens": 12, "cached_tokens": 0, "window": {...}, "prompt_logprobs": null}
    {"type": "text_delta", "text": "你好", "choice": 0, "token_ids": [103], "logprobs": []}
    {"type": "tool_call_ready", "index": 0, "call": {"id": "call_1f", "name": "clock", "arguments": "{}"}, "choice": 0}
    {"type": "tool_result", "call": {...}, "content": "12:00", "images": [], "is_error": false, "seconds": 0.1, ...}
    {"type": "finished", "reason": "stop", "choice": 0, "stopped_by": 5, "token_ids": [5], "usage": {...}}
    {"type": "turn_finished", "usage": {...}, "window": {...}}
    {"type": "error", "error": "ContextOverflow", "message": "..."}

The keys are those of `duihua.events`, always all of them but a prompt's ids and the message of a round, which the
deltas before it told. Pictures are told without their bytes; those that go with a turn come before its first event.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from typing import Any, Final

from duihua.errors import DuihuaError
from duihua.events import Event
from duihua.image import Image

__all__ = ["error_line", "event_line", "image_line"]

# For our own next prompt, and the prompt's ids, which `duihua tokens` and `/context` tell.
_HIDDEN: Final = {("Finished", "sampled"), ("TurnStarted", "token_ids"), ("RoundFinished", "message")}


def event_line(event: Event) -> str:
    """One event as one line of JSON, without its line break."""
    return _line(_name(event), _plain(event))


def image_line(image: Image) -> str:
    """A picture that goes with the next turn as one line of JSON: what it is, without its bytes."""
    return _line("image", _picture(image))


def error_line(error: DuihuaError) -> str:
    """An error as one line of JSON."""
    return _line("error", {"error": type(error).__name__, "message": str(error)})


def _line(kind: str, content: dict[str, Any]) -> str:
    return json.dumps({"type": kind, **content}, ensure_ascii=False)


def _name(event: Event) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(event).__name__).lower()


def _picture(image: Image) -> dict[str, Any]:
    return {key: getattr(image, key) for key in ("name", "media_type", "width", "height", "sha256")}


def _plain(value: Any) -> Any:
    if isinstance(value, Image):
        return _picture(value)
    if is_dataclass(value):
        kind = type(value).__name__
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if (kind, f.name) not in _HIDDEN}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownVariableType]
