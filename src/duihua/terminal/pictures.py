"""What a person gives for a picture: paths as terminals write them, and URLs; and the pictures that these become."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import re
import shlex
import stat
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote

from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.families import MODELS_THAT_SEE
from duihua.image import Image
from duihua.messages import Message
from duihua.terminal.output import fitted, harmless
from duihua.terminal.texts import Say
from duihua.vision.kinds import KINDS

if TYPE_CHECKING:
    from duihua.chat.protocol import ModelInfo

__all__ = ["Fetches", "are_dropped", "check_sight", "named_sources", "picture_line", "read_picture", "said_line"]

_MOST: Final = 16_384  # characters of a line that may be paths: a few of the longest there are
_NAME_COLUMNS: Final = 32
_WEB: Final = re.compile(r"https?://\S+", re.IGNORECASE)
_FILE: Final = re.compile(r"file://(?:localhost)?(?:/(?=[a-z]:))?(?P<path>.+)", re.IGNORECASE)  # Windows: file:///C:/x


class Fetches(Protocol):
    """What gets pictures from http and https: see `duihua.vision.fetch.Fetcher`."""

    async def fetch(self, url: str) -> Image:
        """The picture at a URL; raises InvalidImage."""
        ...


def named_sources(text: str) -> tuple[str, ...]:
    """The paths and URLs that a text names, without what terminals and shells put around them.

    A path that is there needs no quotes around its spaces. Where the text is not all files and URLs, it is one path.
    """
    text = text.strip()
    if not text or _WEB.fullmatch(text) or _exists(text):
        return (text,) if text else ()
    if _exists(path := _path(text)):
        return (path,)
    try:
        words = [_path(word) for word in shlex.split(text)]
    except ValueError:  # a quote that stays open: part of a name
        words = []
    if len(words) == 1 or (words and all(_WEB.fullmatch(word) or _exists(word) for word in words)):
        return tuple(words)
    return (path,)


def are_dropped(line: str) -> bool:
    """Whether a line is nothing but paths of pictures that are there, as a terminal writes what is dropped on it."""
    if not line or line[0].isspace() or len(line) > _MOST:
        return False
    return all(_is_picture(source) for source in named_sources(line))


async def read_picture(source: str, fetcher: Fetches | None = None) -> Image:
    """The picture at a path or URL, checked. It is read in a thread; cancelling ends a download.

    Args:
        fetcher: of http and https URLs; None: one with the bounds of `duihua.vision`, for the public internet.

    Raises:
        InvalidImage: it cannot be taken; says why.
    """
    if not _WEB.fullmatch(source):
        from duihua.vision.read import read_image

        return await asyncio.to_thread(read_image, source)
    return await (fetcher or _usual_fetcher()).fetch(source)


def check_sight(info: ModelInfo, count: int) -> None:
    """Refuse pictures that a model cannot be shown in one message.

    Raises:
        UnsupportedFeature: it sees none.
        InvalidParameter: they are too many for it.
    """
    if count and not info.max_images:
        those = " or ".join(MODELS_THAT_SEE)
        raise UnsupportedFeature(
            "a picture", f"{info.name} sees none as it was loaded: use one that does, such as {those}"
        )
    if count > info.max_images:
        raise InvalidParameter("images", count, f"{info.name} takes at most {info.max_images} in one prompt")


def picture_line(say: Say, image: Image, tokens: int | None = None) -> str:
    """A picture in a few words, on one line: its name, its size in pixels and, where they are given, its tokens."""
    name = " ".join(harmless(image.name).split()) or say("picture")
    line = say("picture_is", name=fitted(name, _NAME_COLUMNS), width=image.width, height=image.height)
    return line if tokens is None else f"{line} · {say('tokens', count=tokens)}"


def said_line(say: Say, message: Message) -> str:
    """A message in words: each of its pictures as `picture_line`, in brackets, where it stands."""
    return " ".join(part if isinstance(part, str) else f"[{picture_line(say, part)}]" for part in message.parts)


def _usual_fetcher() -> Fetches:
    from duihua.vision.fetch import Fetcher

    return Fetcher()


def _path(text: str) -> str:
    """The path that a text is, without quotes around it; that of a file URL."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if found := _FILE.fullmatch(text):
        return unquote(found["path"])
    return os.path.expanduser(text)


def _exists(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):  # none, a name that is too long, or no name at all
        return False


def _is_picture(path: str) -> bool:
    """Whether an ordinary file is there that begins as a picture, or is called as one of a kind that is not taken."""
    if not _exists(path):
        return False
    if (mimetypes.guess_type(path)[0] or "").startswith("image/"):
        return True
    try:
        with open(path, "rb") as file:
            start = file.read(64)
    except OSError:
        return False
    return any(kind.fits(start) for kind in KINDS)
