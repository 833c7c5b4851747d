"""Connections need the mcp package, and say how it is had; what they do is tested in test_tool.py."""

from __future__ import annotations

import sys

import pytest

from duihua.errors import ConfigError
from duihua.tools.mcp.connection import McpConnection
from duihua.tools.mcp.server import McpServer


def test_without_the_package_the_command_that_brings_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)  # as where it is not installed
    with pytest.raises(ConfigError, match=r"pip install 'duihua\[mcp\]'"):
        McpConnection(McpServer(name="s", command=["x"]))
