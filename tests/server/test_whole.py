"""A whole reply of events that came in any pieces."""

from __future__ import annotations

import json

from chat.talk import chat, engine
from duihua.events import Event, Finished, ReasoningDelta, TextDelta, TurnFinished, TurnStarted
from duihua.server.ask import read_ask
from duihua.server.settings import ServeSettings
from duihua.server.whole import Whole
from server.test_reply import REPORT, USAGE


def test_a_reply_is_the_sum_of_its_events_however_they_came() -> None:
    service = chat(engine("a"))
    body = b'{"messages": [{"role": "user", "content": "hello"}], "n": 2}'
    events: list[Event] = [
        TurnStarted(prompt_tokens=7, cached_tokens=5, window=REPORT),
        ReasoningDelta(text="hm"),
        TextDelta(text="one", choice=1),
        TextDelta(text="a"),
        TextDelta(text="b"),
        Finished(reason="length", usage=USAGE),
        Finished(reason="stop", choice=1, usage=USAGE),
        TurnFinished(usage=USAGE, window=REPORT),
    ]
    replies: list[dict[str, object]] = []
    for bursts in ([events], [[event] for event in events]):
        whole = Whole("id-1", read_ask(body, service, ServeSettings()), service)
        for burst in bursts:
            whole.burst(burst)
        assert whole.report is REPORT
        replies.append({**json.loads(whole.body()), "created": 0})
    assert replies[0] == replies[1]
    first, second = json.loads(json.dumps(replies[0]))["choices"]
    assert (first["message"]["content"], first["message"]["reasoning"], first["finish_reason"]) == (
        "ab",
        "hm",
        "length",
    )
    assert (second["message"]["content"], second["finish_reason"]) == ("one", "stop")
