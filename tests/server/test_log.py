"""A line for each request, as text or as JSON."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest

from chat.talk import chat, engine
from duihua.errors import GenerationFailed
from server.asgi import Server, ask, asked, serving


class Full(io.StringIO):
    """A disk that is full."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def started(monkeypatch: pytest.MonkeyPatch, kind: str, stream: io.StringIO) -> io.StringIO:
    from duihua.server.log import start_log

    monkeypatch.setattr(sys, "stderr", stream)
    start_log("json" if kind == "json" else "text")
    return stream


def test_a_line_of_text_tells_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    written = started(monkeypatch, "text", io.StringIO())
    asked(serving())
    (line,) = written.getvalue().splitlines()
    assert "POST /v1/chat/completions status=200 seconds=" in line
    assert "completion_tokens=" in line


def test_a_line_of_json_tells_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    written = started(monkeypatch, "json", io.StringIO())
    replies = [asked(serving()), asked(serving(), stream=True), ask(serving(), "GET", "/strange")]
    rows = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [row["request_id"] for row in rows] == [reply.headers["x-request-id"] for reply in replies]
    assert [(row["route"], row["status"]) for row in rows] == [("/v1/chat/completions", 200)] * 2 + [("other", 404)]
    assert [row["method"] for row in rows] == ["POST", "POST", "GET"]
    assert rows[0]["level"] == "info"
    assert rows[1]["streamed"] is True


def test_a_line_names_the_error_and_its_level_says_whose_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    written = started(monkeypatch, "json", io.StringIO())
    asked(serving(), strange=1)
    ask(serving(), "GET", "/strange")
    for tokens in (0, 1):  # before the first token, and within a stream
        asked(Server(chat(engine("hello world", failure=(tokens, GenerationFailed("x"))))), stream=True)
    rows = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [(row["status"], row["error"], row["level"]) for row in rows] == [
        (400, "invalid_value", "info"),
        (404, "not_found", "info"),
        (500, "generation_failed", "error"),
        (200, "generation_failed", "error"),
    ]


def test_an_error_of_ours_is_one_line_of_json_with_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    written = started(monkeypatch, "json", io.StringIO())
    try:
        raise ZeroDivisionError("why\nso")
    except ZeroDivisionError:
        logging.getLogger("duihua.server").exception("unexpected")
    (row,) = map(json.loads, written.getvalue().splitlines())
    assert (row["level"], row["message"]) == ("error", "unexpected")
    assert "ZeroDivisionError: why\nso" in row["exception"]


def test_half_a_character_takes_no_line_from_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    written = started(monkeypatch, "json", io.StringIO())
    logging.getLogger("duihua.tools").warning("a tool said %s", "\ud83d")
    assert json.loads(written.getvalue())["message"] == "a tool said \ud83d"


def test_prompts_stand_in_the_log_only_where_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    written = started(monkeypatch, "json", io.StringIO())
    private = [{"role": "user", "content": "my secret\n你好"}]
    asked(serving(), private)
    assert "secret" not in written.getvalue()
    asked(serving(log_prompts=True), private)
    assert json.loads(written.getvalue().splitlines()[-1])["messages"] == private


def test_probes_are_logged_only_where_they_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    written = started(monkeypatch, "text", io.StringIO())
    for path in ("/health", "/ready", "/metrics"):
        ask(serving(), "GET", path)
    assert written.getvalue() == ""
    ask(serving(), "GET", "/health", host="evil.example")
    assert "status=421" in written.getvalue()


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_request_cannot_write_lines_of_its_own(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    written = started(monkeypatch, kind, io.StringIO())
    ask(serving(), "GET", "/a\r\nINFO forged", headers=(("x-request-id", "a\nINFO forged"),))
    asked(serving(), model="a\nINFO forged")
    asked(serving(lenient=True), **{"a\nINFO forged": 1})
    assert len(written.getvalue().splitlines()) == 3


def test_a_full_disk_stops_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, "text", Full())
    assert asked(serving()).status == 200


def test_what_is_written_beside_requests_is_lines_of_the_log_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from duihua.server.log import LoggedLines

    stream = started(monkeypatch, "json", io.StringIO())
    lines = LoggedLines()
    for text in ("demo · GLM-4", " · bundled\n\nfloat32\nserv", "ing\n"):
        lines.write(text)
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [row["message"] for row in rows] == ["demo · GLM-4 · bundled", "float32", "serving"]
