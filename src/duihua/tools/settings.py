"""What can be set about tools: which there are, which may run, and what they may cost."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, cast

from duihua.errors import ConfigError, InvalidParameter
from duihua.tools.approval import Approval

if TYPE_CHECKING:
    from duihua.tools.interpreter import PythonSettings
    from duihua.tools.mcp.server import McpServer
    from duihua.tools.toolbox import ToolLimits

__all__ = ["ToolSettings"]

_RULES: Final = ("ask", "always", "never")
_COUNTS: Final = ("call_seconds", "result_characters", "rounds", "turn_seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSettings:
    """Which tools a model may call. They are run by whoever is told so; nothing is there that is not named.

    Approval is by name, or by patterns of names as a shell has them (`files_*`): `allow` first, then `approval`, a
    name before patterns, and these in their order. Where nothing is said, the built-in tools that reach nothing
    outside may always run: `calculator`, `clock`, and `python` as long as it is kept from everything.

    Raises:
        InvalidParameter: a rule that is none, a limit that is no number above nothing.
    """

    built_in: Sequence[str] = ()  # built-in tools: calculator, clock, python, read_url
    files: Sequence[str] = ()  # Python files with tools of the user's; they are run
    mcp: Mapping[str, Any] | Sequence[str] = ()  # MCP servers: commands or URLs, or a table of them by name
    approval: Mapping[str, Approval] = field(default_factory=dict[str, Approval])  # whether a tool may run
    allow: Sequence[str] = ()  # tools that need not be asked about
    python: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)  # limits of the tool `python`
    call_seconds: float = 60.0  # that one call may run
    result_characters: int = 20_000  # that one result may have
    rounds: int = 8  # of calls and answers in one turn
    turn_seconds: float = 600.0  # that one turn with its calls may take

    def __post_init__(self) -> None:
        for name, rule in self.approval.items():
            if rule not in _RULES:
                raise InvalidParameter("approval", {name: rule}, f"say one of {', '.join(_RULES)}")
        for name in _COUNTS:
            value: Any = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
                raise InvalidParameter(name, value, "give a number above 0")

    def __bool__(self) -> bool:
        """Whether any tool is named."""
        return bool(self.built_in or self.files or self.mcp)

    def without_tools(self) -> ToolSettings:
        """The same rules and limits, and no tools."""
        return replace(self, built_in=(), files=(), mcp=(), allow=())

    def approval_of(self, name: str) -> Approval:
        """Whether a tool may run."""
        if any(fnmatchcase(name, pattern) for pattern in self.allow):
            return "always"
        if name in self.approval:
            return self.approval[name]
        for pattern, rule in self.approval.items():
            if fnmatchcase(name, pattern):
                return rule
        return "always" if name in self._harmless() else "ask"

    def _harmless(self) -> set[str]:
        names = {"calculator", "clock"} | (set() if self.python.get("unprotected") else {"python"})
        return names & set(self.built_in)

    def limits(self) -> ToolLimits:
        """What one call may cost."""
        from duihua.tools.toolbox import ToolLimits

        return ToolLimits(seconds=self.call_seconds, characters=self.result_characters)

    def python_settings(self) -> PythonSettings:
        """What the tool `python` may use.

        Raises:
            ConfigError: a name that is none, with the nearest one, or a value that cannot be.
        """
        from duihua.tools.interpreter import PythonSettings

        usual = PythonSettings()
        known = {field.name: getattr(usual, field.name) for field in fields(PythonSettings)}
        for name, value in self.python.items():
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1) or [", ".join(known)]
                raise ConfigError(f"[tools.python] has no {name!r}: it has {near[0]}")
            if not _is_like(value, known[name]):
                raise ConfigError(f"[tools.python] {name} = {value!r} is not possible: it is {known[name]!r} by itself")
        return PythonSettings(**self.python)

    def servers(self) -> tuple[McpServer, ...]:
        """The MCP servers.

        Raises:
            ConfigError: one that cannot be, or two of one name.
        """
        from duihua.tools.mcp.server import McpServer

        if isinstance(self.mcp, Mapping):
            return tuple(_server(name, said) for name, said in self.mcp.items())
        servers = tuple(McpServer.of(text) for text in self.mcp)
        names = [server.name for server in servers]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two MCP servers are called {name!r}: write NAME= before one of them")
        return servers


def _server(name: str, said: object) -> McpServer:
    """One row of the table: a line, a list with a program and its arguments, or a table of `McpServer`'s fields."""
    from duihua.tools.mcp.server import McpServer

    if isinstance(said, str):
        return replace(McpServer.of(said), name=name)
    if isinstance(said, Sequence):
        return McpServer(name=name, command=tuple(str(word) for word in cast("Sequence[object]", said)))
    if not isinstance(said, Mapping):
        raise ConfigError(f"the MCP server {name!r} is {said!r}: give a command, a url, or a table with one of them")
    table = dict(cast("Mapping[str, Any]", said))
    known = {field.name for field in fields(McpServer)} - {"name"}
    if unknown := sorted(table.keys() - known):
        raise ConfigError(f"the MCP server {name!r} has no {unknown[0]!r}: it has {', '.join(sorted(known))}")
    if isinstance(table.get("command"), str):
        table["command"] = McpServer.of(f"{name}={table['command']}").command
    return McpServer(name=name, **table)


def _is_like(value: object, usual: object) -> bool:
    """Whether a value of a table may take the place of the usual one."""
    if isinstance(usual, bool) or isinstance(value, bool):
        return isinstance(usual, bool) and isinstance(value, bool)
    if isinstance(usual, int | float):
        return isinstance(value, int if isinstance(usual, int) else int | float) and cast("float", value) > 0
    return isinstance(value, Sequence) and not isinstance(value, str)
