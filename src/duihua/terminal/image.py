"""`/image`: the pictures that go with the next message."""

from __future__ import annotations

import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

from duihua.errors import RequestError
from duihua.image import Image
from duihua.terminal.clipboard import read_clipboard
from duihua.terminal.pictures import check_sight, named_sources, read_picture
from duihua.terminal.session import Session
from duihua.terminal.signals import Interrupt
from duihua.vision.bounds import Bounds, check_count

__all__ = ["IMAGE_ACTIONS", "run_image"]

_CHINESE: Final[Mapping[str, str]] = {"清空": "clear", "粘贴": "paste"}
IMAGE_ACTIONS: Final = ("clear", "paste")

_Read = Callable[[], Awaitable[Image]]


async def run_image(session: Session, argument: str) -> None:
    """Stage pictures: `/image cat.png`, `/image URL`, `/image paste`; list them; `/image clear`.

    A picture that cannot be had is told, and the others are staged. Ctrl-C ends the reading.

    Raises:
        UnsupportedFeature, InvalidParameter: the model sees no pictures, or not so many.
    """
    word = unicodedata.normalize("NFKC", argument).lower()
    word = _CHINESE.get(word, word)
    if not word:
        _list(session)
    elif word == "clear":
        session.pictures.clear()
        session.output.note(session.say("picture_cleared"))
    elif word == "paste":
        name = session.say("clipboard")
        await _stage(session, [(name, partial(read_clipboard, name=name))])
    else:
        sources = named_sources(argument)
        await _stage(session, [(source, partial(read_picture, source, session.fetcher)) for source in sources])


def _list(session: Session) -> None:
    for line in session.picture_lines():
        session.output.note(line, "plain")
    if not session.pictures:
        session.output.note(session.say("picture_none"))


async def _stage(session: Session, reads: Sequence[tuple[str, _Read]]) -> None:
    """Read pictures, each with what it is called meanwhile."""
    say, output = session.say, session.output
    check_sight(session.info, len(session.pictures) + len(reads))
    try:
        with Interrupt() as interrupt:
            for name, read in reads:
                output.progress(say("picture_reading", name=name))
                await _take(session, read)
    finally:
        output.end_progress()
    if interrupt.happened:
        output.note(say("picture_stopped"))


async def _take(session: Session, read: _Read) -> None:
    try:
        image = await read()
        check_count([*session.pictures, image], Bounds())
        session.conversation.chat.image_tokens(image)  # refuses a shape that the model does not take
    except RequestError as error:
        session.tell(error)
        return
    await session.draw(image)
    session.pictures.append(image)  # the prompt says so
