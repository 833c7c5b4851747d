"""The flags about tools, thinking and the form of answers."""

from __future__ import annotations

from typing import Final

from duihua.cli.flag import Flag

__all__ = ["TOOL_FLAGS"]


def _names(text: str) -> object:
    return tuple(name.strip() for name in text.split(",") if name.strip())


TOOL_FLAGS: Final = (
    Flag(
        "tools.built_in",
        "Built-in tools the model may call, as in calculator,clock,python,read_url.",
        "模型可调用的内置工具，如 calculator,clock,python,read_url。",
        names=("--tools",),
        kind=str,
        read=_names,
        metavar="NAMES",
    ),
    Flag(
        "tools.files",
        "Run this Python file and let the model call its functions; may be given several times.",
        "运行这个 Python 文件，供模型调用其中的函数；可写多次。",
        names=("--tool-file",),
        kind=list[str],
        metavar="FILE",
    ),
    Flag(
        "tools.mcp",
        "Tools of this MCP server, a command or a URL, with NAME= before it or not; may be given several times.",
        "使用这个 MCP 服务器的工具：命令或网址，前面可写 NAME=；可写多次。",
        names=("--mcp",),
        kind=list[str],
        metavar="COMMAND|URL",
    ),
    Flag(
        "tools.allow",
        "Let this tool run without asking (files_*: all that begin so); may be given several times.",
        "允许这个工具不经询问就运行（files_* 表示所有如此开头的）；可写多次。",
        names=("--allow-tool",),
        kind=list[str],
        metavar="NAME",
    ),
    Flag("no_tools", "No tools, whatever the settings name.", "不使用任何工具，包括设置里的。", kind=bool),
    Flag(
        "schema",
        "Hold every answer to the JSON schema in this file; no tools are called then.",
        "让每个回答都符合这个文件里的 JSON schema；此时不调用工具。",
        kind=str,
        metavar="FILE",
    ),
    Flag(
        "terminal.think",
        "Have the model think before it answers, or not, by its template's own variable.",
        "回答前是否思考（通过模板自己的变量）。",
    ),
    Flag(
        "terminal.thinking",
        "Show thinking as it comes, or only that there was some.",
        "显示思考过程，或只说明思考过。",
    ),
    Flag(
        "terminal.max_thinking_tokens",
        "After so many tokens of thinking the model must answer; 0: no thinking.",
        "思考这么多 token 后必须回答；0 为不思考。",
        metavar="N",
    ),
)
