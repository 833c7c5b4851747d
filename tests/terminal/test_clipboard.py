import asyncio
import base64
import time
from pathlib import Path

import pytest

from duihua.errors import InvalidImage
from duihua.image import Image
from duihua.terminal.clipboard import read_clipboard
from vision.pictures import encoded, flag

PNG = encoded(flag())


def install(folder: Path, name: str, output: bytes, *, code: int = 0, seconds: float = 0) -> None:
    """A tool that writes what it is to write, and notes its arguments."""
    (folder / f"{name}.out").write_bytes(output)
    tool = folder / name
    wait = f"exec /bin/sleep {seconds}\n" if seconds else ""
    tool.write_text(f'#!/bin/sh\necho "$@" > {tool}.args\n{wait}/bin/cat {tool}.out\nexit {code}\n', "utf-8")
    tool.chmod(0o755)


def read(folder: Path, platform: str = "linux") -> Image:
    return asyncio.run(read_clipboard(name="clipboard", platform=platform, path=str(folder)))


@pytest.mark.parametrize("tool", ["wl-paste", "xclip"])
def test_either_tool_of_linux_gives_the_picture(tmp_path: Path, tool: str) -> None:
    install(tmp_path, tool, PNG)
    image = read(tmp_path)
    assert (image.data, image.name) == (PNG, "clipboard")
    assert "image/png" in (tmp_path / f"{tool}.args").read_text("utf-8")


def test_a_tool_that_has_nothing_leaves_it_to_the_next(tmp_path: Path) -> None:
    install(tmp_path, "wl-paste", b"No suitable type of content copied\n", code=1)
    install(tmp_path, "xclip", PNG)
    assert read(tmp_path).data == PNG


def test_what_apple_and_windows_write_is_decoded(tmp_path: Path) -> None:
    install(tmp_path, "osascript", f"«data PNGf{PNG.hex().upper()}»\n".encode())
    assert read(tmp_path, "darwin").data == PNG
    install(tmp_path, "powershell.exe", base64.b64encode(PNG))
    assert read(tmp_path, "win32").data == read(tmp_path, "linux").data == PNG


def test_an_empty_clipboard_says_so(tmp_path: Path) -> None:
    install(tmp_path, "xclip", b"")
    install(tmp_path, "osascript", b"missing value\n")
    for platform in ("linux", "darwin"):
        with pytest.raises(InvalidImage, match=r"^clipboard: there is no picture in it"):
            read(tmp_path, platform)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    install(tmp_path, "xclip", b"<html>")
    with pytest.raises(InvalidImage, match="a page of HTML"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("platform", "cure"),
    [("linux", r"wl-clipboard \(Wayland\) or xclip \(X11\)"), ("darwin", "pngpaste or osascript")],
)
def test_without_a_tool_it_says_what_to_install(tmp_path: Path, platform: str, cure: str) -> None:
    with pytest.raises(InvalidImage, match=f"install {cure}"):
        read(tmp_path, platform)


def test_cancelling_ends_the_tool(tmp_path: Path) -> None:
    install(tmp_path, "xclip", PNG, seconds=600)

    async def run() -> None:
        reading = asyncio.create_task(read_clipboard(platform="linux", path=str(tmp_path)))
        while not (tmp_path / "xclip.args").exists():
            await asyncio.wait([reading], timeout=0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    started = time.monotonic()
    asyncio.run(run())  # it would wait for the tool
    assert time.monotonic() - started < 60
