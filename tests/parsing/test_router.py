"""Where thinking, words and calls meet."""

from __future__ import annotations

import logging

import pytest

from duihua.parsing.hermes import HERMES
from duihua.parsing.parts import Content
from duihua.parsing.router import CallRouter, StreamRouter
from duihua.parsing.schemas import ToolSchemas
from parsing.reading import TOOLS


def router_of(*, is_begun: bool = False) -> StreamRouter:
    calls = CallRouter(
        HERMES, ToolSchemas(TOOLS), literal_of={1: "<tool_call>"}.get, id_of={"<tool_call>": 1}.get, is_begun=is_begun
    )
    return StreamRouter(None, None, calls=calls)


def test_without_tools_and_thinking_text_goes_to_the_reader_as_it_is() -> None:
    router = StreamRouter(None, None)
    assert router.is_plain
    assert router.push("a\n", None) == [Content("a\n")]
    assert router.end(is_whole=True) == []


def test_with_tools_no_text_is_plain() -> None:
    assert not router_of().is_plain


def test_a_malformed_call_is_counted_and_logged_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    router = router_of()
    with caplog.at_level(logging.INFO, "duihua.parsing"):
        parts = [*router.push("<tool_call>", 1), *router.push("secret", None), *router.end(is_whole=True)]
    assert parts == [Content("<tool_call>secret")]
    assert router.malformed == 1
    assert "malformed" in caplog.text
    assert "secret" not in caplog.text


def test_line_breaks_stay_where_the_model_wrote_them_beside_a_call_that_is_cut() -> None:
    calls = CallRouter(HERMES, ToolSchemas(TOOLS), literal_of={1: "<tool_call>"}.get, id_of={"<tool_call>": 1}.get)
    router = StreamRouter(8, 9, calls=calls)
    parts = [*router.push("\n", None), *router.push("<tool_call>", 1), *router.push("\n", None)]
    parts += router.end(is_whole=False)
    assert "".join(part.text for part in parts if isinstance(part, Content)) == "\n<tool_call>\n"
