"""Calls are logged; what they are about only where that is asked for."""

from __future__ import annotations

import asyncio
import logging
import re

import pytest

import duihua
from duihua.errors import ToolFailed
from duihua.tools.log import Logged


@duihua.tool
async def say(text: str) -> str:
    if text == "wait":
        await asyncio.Event().wait()
    if not text:
        raise ValueError("a secret error")
    return text * 3


def call(text: str, level: int, caplog: pytest.LogCaptureFixture) -> str:
    caplog.set_level(level, "duihua.tools")
    asyncio.run(Logged(say).call({"text": text}))
    return caplog.text


def test_name_time_and_size_are_logged_and_no_words(caplog: pytest.LogCaptureFixture) -> None:
    text = call("secret", logging.INFO, caplog)
    assert re.search(r"say gave 18 characters, 0 pictures after \d+\.\d+ s$", text, re.MULTILINE)
    assert "secret" not in text


def test_arguments_are_logged_where_everything_is(caplog: pytest.LogCaptureFixture) -> None:
    assert 'say is called with {"text": "秘密"}' in call("秘密", logging.DEBUG, caplog)


def test_failures_and_cancellations_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ToolFailed):
        call("", logging.INFO, caplog)
    assert "say came to nothing: ToolFailed" in caplog.text

    async def work() -> None:
        task = asyncio.create_task(Logged(say).call({"text": "wait"}))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(work())
    assert "say was cancelled" in caplog.text
