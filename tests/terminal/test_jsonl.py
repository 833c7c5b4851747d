import json
from typing import Any, get_args

from duihua.errors import ContextOverflow
from duihua.events import (
    Event,
    Finished,
    ReasoningDelta,
    RoundFinished,
    TextDelta,
    TokenLogprobs,
    ToolCallDelta,
    ToolCallReady,
    ToolResult,
    TurnFinished,
    TurnStarted,
    Usage,
    WindowReport,
)
from duihua.image import Image
from duihua.messages import Message, SampledRun, ToolCall
from duihua.terminal.jsonl import error_line, event_line, image_line

USAGE = Usage(prompt_tokens=3, completion_tokens=2)
CALL = ToolCall("call_1", "clock", "{}")
WINDOW = WindowReport(context_window=10, limit=8, reserve=2, prompt_tokens=3, kept_exchanges=1)


def read(event: Event) -> dict[str, Any]:
    line = event_line(event)
    assert "\n" not in line
    return json.loads(line)


def test_types_are_in_snake_case() -> None:
    from duihua.terminal import jsonl

    names = {jsonl.event_line(_sample(kind)).partition('"type": "')[2].partition('"')[0] for kind in get_args(Event)}
    told = {"text_delta", "reasoning_delta", "tool_call_delta", "tool_call_ready", "tool_result"}
    assert names == {"turn_started", *told, "round_finished", "finished", "turn_finished"}


def _sample(kind: type[Event]) -> Event:
    made: dict[type[Event], Event] = {
        TurnStarted: TurnStarted(prompt_tokens=3, cached_tokens=0, window=WINDOW),
        ToolCallDelta: ToolCallDelta(index=0, arguments="{"),
        ToolCallReady: ToolCallReady(index=0, call=CALL),
        RoundFinished: RoundFinished(message=Message("assistant", "", tool_calls=(CALL,)), usage=USAGE),
        ToolResult: ToolResult(call=CALL, content="12:00"),
        Finished: Finished(reason="stop", usage=USAGE),
        TurnFinished: TurnFinished(usage=USAGE, window=WINDOW),
        TextDelta: TextDelta(text="x"),
        ReasoningDelta: ReasoningDelta(text="x"),
    }
    return made[kind]


def test_a_call_and_its_result_are_told_and_pictures_without_their_bytes() -> None:
    call = {"id": "call_1", "name": "clock", "arguments": "{}"}
    ready = read(ToolCallReady(index=0, call=CALL))
    assert ready == {"type": "tool_call_ready", "index": 0, "call": call, "choice": 0}
    image = Image(b"bytes", media_type="image/png", width=2, height=1, name="figure.png")
    result = read(ToolResult(call=CALL, content="12:00", images=(image,), seconds=0.5))
    assert result["call"] == call
    assert (result["content"], result["is_error"], result["seconds"]) == ("12:00", False, 0.5)
    assert [set(picture) for picture in result["images"]] == [{"name", "media_type", "width", "height", "sha256"}]
    assert "message" not in read(_sample(RoundFinished))


def test_a_delta_carries_everything_and_its_text_as_it_is() -> None:
    event = TextDelta(text='你\n"好', token_ids=(5, 6), logprobs=(TokenLogprobs(5, -0.5, ((5, -0.5),)),))
    assert read(event) == {
        "type": "text_delta",
        "text": '你\n"好',
        "choice": 0,
        "token_ids": [5, 6],
        "logprobs": [{"token_id": 5, "logprob": -0.5, "top": [[5, -0.5]]}],
    }
    assert "你" in event_line(event)


def test_what_happened_to_the_window_is_told_whole() -> None:
    assert read(TurnStarted(prompt_tokens=3, cached_tokens=1, window=WINDOW)) == {
        "type": "turn_started",
        "prompt_tokens": 3,
        "cached_tokens": 1,
        "window": {
            "context_window": 10,
            "limit": 8,
            "reserve": 2,
            "prompt_tokens": 3,
            "kept_exchanges": 1,
            "dropped_exchanges": 0,
            "dropped_tokens": 0,
            "first_kept": 0,
            "max_tokens": None,
            "clamped_from": None,
            "shortened_from": None,
        },
        "prompt_logprobs": None,
    }


def test_what_is_ours_alone_stays_out() -> None:
    event = Finished(reason="length", sampled=(SampledRun("<|user|>", "x", (1,)),), usage=USAGE)
    assert set(read(event)) == {
        "type",
        "reason",
        "choice",
        "stopped_by",
        "token_ids",
        "logprobs",
        "malformed_calls",
        "usage",
    }


def test_a_picture_is_named_and_not_sent() -> None:
    image = Image(b"\x89PNG", 64, 48, name="小猫.png")
    line = image_line(image)
    assert "小猫" in line
    assert json.loads(line) == {
        "type": "image",
        "name": "小猫.png",
        "media_type": "image/png",
        "width": 64,
        "height": 48,
        "sha256": image.sha256,
    }


def test_an_error_has_its_name_and_its_sentence() -> None:
    error = ContextOverflow(prompt_tokens=9, limit=5, context_window=8)
    assert json.loads(error_line(error)) == {"type": "error", "error": "ContextOverflow", "message": str(error)}
