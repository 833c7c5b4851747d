"""Which MCP server, and how it is reached."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from duihua.errors import ConfigError

__all__ = ["McpServer"]

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """A program that is started and spoken to over its pipes, or an address of streamable HTTP."""

    name: str  # what its tools' names begin with: letters, digits and hyphens
    command: Sequence[str] = ()  # the program and its arguments
    url: str = ""  # http or https, instead of a command
    environment: Mapping[str, str] = field(
        default_factory=dict[str, str], repr=False
    )  # for the program, beside PATH etc.
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)  # of each request, such as a key
    directory: str = ""  # in which the program runs; "" is the current one
    seconds: float = 60.0  # that a call may take
    start_seconds: float = 30.0  # that connecting may take

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"an MCP server cannot be called {self.name!r}: use up to 32 letters, digits and hyphens")
        if bool(self.command) == bool(self.url):
            raise ConfigError(f"the MCP server {self.name!r} needs either a command or a url")
        if isinstance(self.command, str):
            raise ConfigError(f"the command of the MCP server {self.name!r} is a list: the program and its arguments")
        if self.url and not re.match(r"https?://[^/]", self.url, re.IGNORECASE):
            raise ConfigError(f"the url of the MCP server {self.name!r} must begin with http:// or https://")
        if self.url and (self.environment or self.directory):
            raise ConfigError(f"the MCP server {self.name!r} has a url: environment and directory are for a command")
        if self.command and self.headers:
            raise ConfigError(f"the MCP server {self.name!r} has a command: headers are for a url")
        if min(self.seconds, self.start_seconds) <= 0:
            raise ConfigError(f"the times of the MCP server {self.name!r} must be more than nothing")

    @classmethod
    def of(cls, text: str) -> McpServer:
        """A server from one line: a URL, or a command as a shell reads it; `NAME=` before it gives its name.

        Raises:
            ConfigError: it is neither.
        """
        named = re.match(r"([A-Za-z][A-Za-z0-9-]{0,31})=(?=\S)", text)
        rest = text[named.end() :] if named else text
        if re.match(r"https?://", rest, re.IGNORECASE):
            return cls(name=named[1] if named else _name_of((urlsplit(rest).hostname or "").split(".")), url=rest)
        try:
            command = shlex.split(rest)
        except ValueError as error:
            raise ConfigError(f"the MCP command {rest!r} cannot be read: {error}") from error
        if not command:
            raise ConfigError("an MCP server is a command or a URL, and this is nothing")
        words = [re.split(r"[/\\]", word)[-1].partition(".")[0] for word in command if not word.startswith("-")]
        return cls(name=named[1] if named else _name_of(reversed(words)), command=command)


def _name_of(words: Iterable[str]) -> str:
    """The first of these words that can be a name, as one."""
    for word in words:
        name = re.sub(r"[^A-Za-z0-9]+", "-", word).strip("-")[:32]
        if _NAME.fullmatch(name):
            return name
    return "mcp"
