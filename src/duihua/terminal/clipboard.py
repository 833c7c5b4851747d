"""The picture in the clipboard, by the tool that the system has for it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from duihua.image import Image
from duihua.vision.read import read_bytes
from duihua.vision.refusal import refusal

__all__ = ["read_clipboard"]

_SECONDS: Final = 10.0  # that the owner of the clipboard gets to give the picture


def _as_it_is(output: bytes) -> bytes:
    return output


def _from_apple(output: bytes) -> bytes:
    """AppleScript writes data as «data PNGf89504E47...»."""
    found = re.search(rb"PNGf([0-9A-Fa-f]*)", output)
    return binascii.unhexlify(found[1]) if found else b""


@dataclass(frozen=True, slots=True)
class _Tool:
    """A program that writes the clipboard's picture to its output, or nothing where there is none."""

    command: tuple[str, ...]
    read: Callable[[bytes], bytes] = _as_it_is


_POWERSHELL: Final = (
    "Add-Type -AssemblyName System.Windows.Forms; $image = [Windows.Forms.Clipboard]::GetImage(); "
    "if ($image) { $file = New-Object IO.MemoryStream; $image.Save($file, [Drawing.Imaging.ImageFormat]::Png); "
    "[Console]::Out.Write([Convert]::ToBase64String($file.ToArray())) }"
)
_WINDOWS: Final = (
    _Tool(("powershell.exe", "-NoProfile", "-NonInteractive", "-STA", "-Command", _POWERSHELL), base64.b64decode),
)
_TOOLS: Final[Mapping[str, Sequence[_Tool]]] = {
    "darwin": (
        _Tool(("pngpaste", "-")),
        _Tool(("osascript", "-e", "get the clipboard as «class PNGf»"), _from_apple),
    ),
    "win32": _WINDOWS,
}
_ELSEWHERE: Final = (
    _Tool(("wl-paste", "--no-newline", "--type", "image/png")),
    _Tool(("xclip", "-selection", "clipboard", "-target", "image/png", "-out")),
    *_WINDOWS,  # Linux under Windows
)


async def read_clipboard(*, name: str = "", platform: str = sys.platform, path: str | None = None) -> Image:
    """The picture in the clipboard, checked. Cancelling ends the tool that is asked.

    Args:
        name: what the picture is called.
        platform: as `sys.platform` says it; decides which tools are tried.
        path: directories of the tools, as in PATH; None: the process's own.

    Raises:
        InvalidImage: there is none, no tool to get it with, or it cannot be taken.
    """
    tools = [(shutil.which(tool.command[0], path=path), tool) for tool in _TOOLS.get(platform, _ELSEWHERE)]
    installed = [(program, tool) for program, tool in tools if program is not None]
    if not installed:
        wanted = " or ".join(tool.command[0] for _, tool in tools)
        cure = "install wl-clipboard (Wayland) or xclip (X11)" if platform not in _TOOLS else f"install {wanted}"
        raise refusal("missing", f"the clipboard cannot be read: {cure}, or give the picture's path", name)
    for program, tool in installed:
        if data := await _asked(program, tool):
            return await asyncio.to_thread(read_bytes, data, name=name)
    raise refusal("missing", "there is no picture in it: copy one, or give its path", name)


async def _asked(program: str, tool: _Tool) -> bytes:
    """What a tool gives; nothing where it fails, or takes too long."""
    process = await asyncio.create_subprocess_exec(
        program, *tool.command[1:], stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
    )
    try:
        async with asyncio.timeout(_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        return b""
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    try:
        return b"" if process.returncode else tool.read(output)
    except (binascii.Error, ValueError):
        return b""
