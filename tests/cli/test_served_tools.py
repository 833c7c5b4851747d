"""Which tools a server runs: those that are named and need not be asked about."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from duihua.cli.served_tools import check_tools, opened_tools
from duihua.config import Settings, read_settings
from duihua.errors import ConfigError

FILE = '"""Mine."""\nimport duihua\n\n\n@duihua.tool\ndef shout(text: str) -> str:\n    "Says it loudly."\n    return text.upper()\n'


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A file with a tool that has to be asked about."""
    (tmp_path / "mine.py").write_text(FILE, encoding="utf-8")
    return str(tmp_path / "mine.py")


def settings(**said: object) -> Settings:
    serve = {"serve.serve_tools": said.pop("serve_tools", True)}
    return read_settings({**serve, **{f"tools.{name}": value for name, value in said.items()}}, environ={})


def names_of(given: Settings) -> list[str] | None:
    async def opened() -> list[str] | None:
        async with opened_tools(given) as tools:
            return None if tools is None else [schema["function"]["name"] for schema in tools.schemas]

    return asyncio.run(opened())


def test_a_server_runs_none_unless_it_is_told_so() -> None:
    assert names_of(settings(serve_tools=False)) is None
    with pytest.raises(ConfigError, match="--serve-tools"):
        check_tools(settings(serve_tools=False, built_in=("calculator",)))


def test_there_has_to_be_something_to_run() -> None:
    check_tools(settings(built_in=("calculator",)))
    with pytest.raises(ConfigError, match="--tools"):
        check_tools(settings())


def test_what_has_to_be_asked_about_is_left_out_and_named(mine: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "duihua.server"):
        assert names_of(settings(built_in=("calculator", "clock"), files=(mine,))) == ["calculator", "clock"]
    assert "shout" in caplog.text
    assert names_of(settings(files=(mine,), allow=("shout",))) == ["shout"]
    with pytest.raises(ConfigError, match="shout"):
        names_of(settings(files=(mine,)))
