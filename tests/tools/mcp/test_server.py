"""An MCP server is named by a command or an address, and what cannot be one is refused."""

from __future__ import annotations

from typing import Any, cast

import pytest

from duihua.errors import ConfigError
from duihua.tools.mcp.server import McpServer


@pytest.mark.parametrize(
    ("text", "name", "command", "url"),
    [
        ("uvx mcp-server-git --repository '.'", "mcp-server-git", ["uvx", "mcp-server-git", "--repository", "."], ""),
        ("files=npx -y server /data", "files", ["npx", "-y", "server", "/data"], ""),
        ("/usr/bin/my.server", "my", ["/usr/bin/my.server"], ""),
        ("https://docs.example.org/mcp", "docs", [], "https://docs.example.org/mcp"),
        ("d=HTTP://127.0.0.1:8000/mcp", "d", [], "HTTP://127.0.0.1:8000/mcp"),
        ("http://127.0.0.1:8000/mcp", "mcp", [], "http://127.0.0.1:8000/mcp"),
        ("运行", "mcp", ["运行"], ""),
    ],
)
def test_one_line_names_a_server(text: str, name: str, command: list[str], url: str) -> None:
    server = McpServer.of(text)
    assert (server.name, list(server.command), server.url) == (name, command, url)


@pytest.mark.parametrize(("text", "why"), [("", "this is nothing"), ("a 'b", "cannot be read")])
def test_a_line_that_names_none_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        McpServer.of(text)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "either a command or a url"),
        ({"command": ["a"], "url": "http://a"}, "either a command or a url"),
        ({"command": "a b"}, "is a list"),
        ({"url": "ftp://a"}, "must begin with http"),
        ({"url": "http://a", "environment": {"A": "b"}}, "are for a command"),
        ({"command": ["a"], "headers": {"A": "b"}}, "are for a url"),
        ({"command": ["a"], "seconds": 0}, "more than nothing"),
        ({"command": ["a"], "name": "a b"}, "cannot be called"),
    ],
)
def test_what_does_not_fit_together_is_refused(values: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        McpServer(**cast("Any", {"name": "s", **values}))


def test_secrets_are_not_shown() -> None:
    assert "key" not in repr(McpServer(name="s", url="http://a", headers={"Authorization": "key"}))
    assert "key" not in repr(McpServer(name="s", command=["a"], environment={"TOKEN": "key"}))
