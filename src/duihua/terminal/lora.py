"""`/lora`: the LoRA adapters that are loaded, and which one answers."""

from __future__ import annotations

import difflib
import os.path
import shlex
import unicodedata
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from duihua.checkpoint.locate import locate_adapter
from duihua.terminal.output import Style
from duihua.terminal.session import Session
from duihua.terminal.signals import Interrupt

__all__ = ["LORA_ACTIONS", "run_lora", "split_load"]

_CHINESE: Final[Mapping[str, str]] = {
    "列出": "list",
    "加载": "load",
    "载入": "load",
    "使用": "use",
    "关": "off",
    "关闭": "off",
    "卸载": "unload",
}
_AS_SHELLS: Final = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "\u3000": " "})


async def run_lora(session: Session, argument: str) -> None:
    """List, load, use and unload adapters: `/lora load ~/pirate`, `/lora use pirate`, `/lora off`.

    Raises:
        AdapterRejected, InvalidParameter, EngineError: see `ChatService.load_adapter`; what was in use stays so.
    """
    word, _, rest = " ".join(argument.split(maxsplit=1)).partition(" ")
    word = unicodedata.normalize("NFKC", word).lower()
    word = _CHINESE.get(word, word) or "list"
    if word in _WITHOUT and rest:
        session.output.note(session.say("no_argument", name=f"/lora {word}"))
    elif word in _WITHOUT:
        _WITHOUT[word](session)
    elif word in _WITH and rest:
        await _WITH[word](session, rest)
    else:
        session.output.note(session.say("lora_usage"))


def split_load(text: str) -> tuple[Path, str] | None:
    """(directory, name) of what stands after `/lora load`; None where it is neither DIR nor DIR NAME.

    A directory that is there needs no quotes around its spaces; a bundled adapter is known by its name. The name is
    the directory's own where none is given.
    """
    if os.path.isdir(whole := _directory(text)):
        return whole, _own_name(whole)
    first, _, last = text.rpartition(" ")
    if first and os.path.isdir(path := _directory(first)):
        return path, last
    try:
        words = shlex.split(text.translate(_AS_SHELLS))
    except ValueError:  # a quote that stays open: part of a name
        words = [text]
    if not any(words):
        return None
    words = words if len(words) <= 2 else [text]
    path = _directory(words[0])
    return path, words[1] if len(words) == 2 else _own_name(path)


def _directory(text: str) -> Path:
    path = Path(os.path.expanduser(text.strip()))
    if path.name == text and not os.path.lexists(path):
        path = locate_adapter(text)  # a bundled one; a name without a slash is never looked for on a hub
    return Path(os.path.abspath(path))  # not resolved: a link keeps the name it has


def _own_name(path: Path) -> str:
    return "-".join(path.name.split())


def _list(session: Session) -> None:
    say, output, adapters = session.say, session.output, session.conversation.chat.adapters
    if not adapters:
        output.note(say("lora_none"))
        return
    for name, adapter in adapters.items():  # no table: names and paths may be long, and must stay whole
        used: list[tuple[str, Style]] = [(f" · {say('lora_in_use')}", "mark")] if name == session.adapter else []
        output.marked([(name, "bold"), *used, (f" · {say('lora_rank', rank=adapter.rank)} · {adapter.path}", "dim")])
    if session.adapter is None:
        output.note(say("lora_base_answers"))


async def _load(session: Session, text: str) -> None:
    say, output, chat = session.say, session.output, session.conversation.chat
    parts = split_load(text)
    if parts is None:
        output.note(say("lora_usage"))
        return
    path, name = parts
    is_new = name not in chat.adapters
    output.progress(say("lora_loading", name=name))
    try:
        with Interrupt() as interrupt:
            adapter = await chat.load_adapter(name, path)
            _answer_with(session, name)
            output.note(say("lora_loaded" if is_new else "lora_loaded_again", name=name, rank=adapter.rank))
    finally:
        output.end_progress()
    if interrupt.happened:
        output.note(say("lora_stopped", name=name))


async def _use(session: Session, name: str) -> None:
    if _is_loaded(session, name):
        _answer_with(session, name)
        session.output.note(session.say("lora_used", name=name))


def _off(session: Session) -> None:
    _answer_with(session, "")
    session.output.note(session.say("lora_off"))


async def _unload(session: Session, name: str) -> None:
    if not _is_loaded(session, name):
        return
    is_in_use = session.adapter == name
    await session.conversation.chat.unload_adapter(name)
    session.output.note(session.say("lora_unloaded", name=name))
    if is_in_use:
        _off(session)


def _answer_with(session: Session, adapter: str) -> None:
    """Choose who answers from the next message on; an empty name is the base model."""
    session.conversation.options = replace(session.conversation.options, adapter=adapter)


def _is_loaded(session: Session, name: str) -> bool:
    """Whether an adapter is loaded; where it is not, the nearest one is named."""
    say, adapters = session.say, session.conversation.chat.adapters
    if name in adapters:
        return True
    near = difflib.get_close_matches(name, adapters, n=1, cutoff=0.5)
    if not adapters:
        session.output.note(say("lora_none"))
    elif near:
        session.output.note(say("lora_unknown", name=name, guess=say("did_you_mean", name=near[0])))
    else:
        guess = say("lora_there_are", names=", ".join(adapters))
        session.output.note(say("lora_unknown", name=name, guess=guess))
    return False


_WITHOUT: Final[Mapping[str, Callable[[Session], None]]] = {"list": _list, "off": _off}
_WITH: Final[Mapping[str, Callable[[Session, str], Coroutine[Any, Any, None]]]] = {
    "load": _load,
    "use": _use,
    "unload": _unload,
}
LORA_ACTIONS: Final = ("list", "load", "use", "off", "unload")
