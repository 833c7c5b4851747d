"""The slash commands: one table, and how a line is understood."""

from __future__ import annotations

import difflib
import os.path
import re
import unicodedata
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from duihua.terminal.compare import run_compare
from duihua.terminal.context import show_context
from duihua.terminal.image import run_image
from duihua.terminal.lora import run_lora
from duihua.terminal.parameters import assign, names, rows, show, split, told
from duihua.terminal.pictures import are_dropped
from duihua.terminal.session import Session
from duihua.terminal.think import run_think
from duihua.terminal.tools import run_tools

__all__ = ["COMMANDS", "Call", "Command", "Said", "Unknown", "is_open_block", "understand"]

_BLOCK: Final = '"""'
_LEAVE: Final = ("exit", "quit", "退出")
_SLASHES: Final = ("/", "／")
# The name ends at white space or a colon; the rest is the argument.
_CALL: Final = re.compile(r"[/／](?P<name>[^\s:：/／]*)(?:\s*[:：]\s*|\s+|$)(?P<argument>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One slash command: a row of the table."""

    name: str
    aliases: tuple[str, ...] = ()
    argument: str = ""  # a hint, "[text]"; empty: it takes none
    en: str
    zh: str
    run: Callable[[Session, str], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Said:
    """A text for the model."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A command and what was written after its name."""

    command: Command
    argument: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name after a slash that is no command's."""

    name: str
    nearest: str | None


def understand(text: str) -> Said | Call | Unknown:
    """What a line means: a text for the model, or a command.

    A text in a block of three quotes, after a leading space, or that begins with a path goes to the model. Paths of
    pictures and nothing else, as a terminal writes what is dropped on it, are those that `/image` takes.
    """
    if text.lstrip().startswith(_BLOCK):
        return Said(_without_quotes(text.strip()))
    if text.strip().lower() in _LEAVE:
        return Call(_BY_NAME["exit"], "")
    if are_dropped(text):
        return Call(_BY_NAME["image"], text.strip())
    if not text.startswith(_SLASHES):
        return Said(text.strip())
    found = _CALL.fullmatch(text.strip())
    if found is None:
        return Said(text.strip())
    name = unicodedata.normalize("NFKC", found["name"]).lower()
    if name in _BY_NAME:
        return Call(_BY_NAME[name], found["argument"])
    if name and os.path.exists(text.split()[0]):
        return Said(text.strip())
    near = difflib.get_close_matches(name, _BY_NAME, n=1, cutoff=0.5)  # a Chinese name has two characters
    return Unknown(f"/{name}", f"/{near[0]}" if near else None)


def is_open_block(text: str) -> bool:
    """Whether a block of three quotes was begun and not ended."""
    text = text.strip()
    return text.startswith(_BLOCK) and not (text.endswith(_BLOCK) and len(text) >= 2 * len(_BLOCK))


def _without_quotes(text: str) -> str:
    return text.removeprefix(_BLOCK).removesuffix(_BLOCK).strip("\n")


async def _help(session: Session, argument: str) -> None:
    del argument
    say = session.say
    calls = [
        [f"/{command.name} {command.argument}".strip(), say.choose(command.en, command.zh)] for command in COMMANDS
    ]
    session.output.table(calls)
    session.output.note(say("help_keys"))


async def _clear(session: Session, argument: str) -> None:
    del argument
    session.conversation.clear()
    session.output.note(session.say("cleared"))


async def _system(session: Session, argument: str) -> None:
    say, conversation = session.say, session.conversation
    if not argument:
        text = say("system_is", text=conversation.system) if conversation.system else say("system_none")
    elif argument.lower() in ("off", "关"):
        conversation.system = None
        text = say("system_removed")
    else:
        conversation.system = argument
        text = say("system_set", text=argument)
    session.output.note(text)


async def _set(session: Session, argument: str) -> None:
    say, output = session.say, session.output
    if not argument:
        output.table([told(say, row) for row in rows(session)])
        output.note(say("set_usage"))
        return
    parts = split(argument)
    if parts is None:
        output.note(say("set_usage"))
    elif parts[1] or parts[0] not in names():
        output.note(assign(session, *parts))
    else:
        output.note(show(session, parts[0]))


async def _exit(session: Session, argument: str) -> None:
    del argument
    session.is_leaving = True


COMMANDS: Final = (
    Command(name="help", aliases=("?", "帮助"), en="list the commands", zh="列出命令", run=_help),
    Command(
        name="clear",
        aliases=("new", "清空"),
        en="forget the conversation; the system prompt stays",
        zh="忘掉这场对话；系统提示词保留",
        run=_clear,
    ),
    Command(
        name="system",
        aliases=("系统",),
        argument="[TEXT|off]",
        en="show or change the system prompt",
        zh="查看或更改系统提示词",
        run=_system,
    ),
    Command(
        name="set",
        aliases=("设置",),
        argument="[NAME VALUE]",
        en="show or change sampling and history, as in /set temperature 0.2",
        zh="查看或更改采样与历史设置，如 /set temperature 0.2",
        run=_set,
    ),
    Command(
        name="context",
        aliases=("上下文",),
        argument="[raw]",
        en="what the model will see, and what it costs; raw: the exact prompt",
        zh="模型将看到什么、占多少 token；raw：原样显示提示",
        run=show_context,
    ),
    Command(
        name="image",
        aliases=("图片",),
        argument="[PATH|URL]",
        en="put pictures before the next message, or list them; paste: from the clipboard, clear: none of them",
        zh="为下一条消息附上图片，或列出；paste/粘贴：取自剪贴板；clear/清空：全部取消",
        run=run_image,
    ),
    Command(
        name="lora",
        aliases=("适配器",),
        argument="[...]",
        en="list the LoRA adapters; load DIR [NAME], use NAME, off, unload NAME",
        zh="列出 LoRA 适配器；load 目录 [名称]、use 名称、off、unload 名称",
        run=run_lora,
    ),
    Command(
        name="compare",
        aliases=("比较",),
        argument="[TEXT]",
        en="the answers of the base model and of every adapter, one under another; the context stays as it is",
        zh="并列显示基座模型与各适配器的回答；不影响上下文",
        run=run_compare,
    ),
    Command(
        name="tools",
        aliases=("工具",),
        en="list the tools and whether they may run, and the last calls in full",
        zh="列出工具及其是否可运行，并完整显示最近的调用",
        run=run_tools,
    ),
    Command(
        name="think",
        aliases=("思考",),
        argument="[on|off|show|hide]",
        en="have the model think before it answers or not; show or hide its thinking",
        zh="回答前是否思考；显示或隐藏思考（开、关、显示、隐藏）",
        run=run_think,
    ),
    Command(name="exit", aliases=("quit", "bye", "退出"), en="leave", zh="离开", run=_exit),
)
_BY_NAME: Final = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
