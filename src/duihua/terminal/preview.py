"""A small preview of a picture on terminals that draw pictures.

Sources: https://sw.kovidgoyal.net/kitty/graphics-protocol/ and https://iterm2.com/documentation-images.html; for Sixel
see `duihua.terminal.sixel`. Terminals that know none skip all three, and nothing is answered.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Final

from PIL import Image as Pillow

from duihua.image import Image
from duihua.terminal.settings import Graphics
from duihua.terminal.sixel import sixel
from duihua.vision.pixels import decode

__all__ = ["preview"]

_COLUMNS: Final = 32  # cells that it takes at most
_ROWS: Final = 10
_CELL: Final = (10, 20)  # pixels, about; terminals scale to their own
_SIXEL: Final = (240, 160)  # pixels, of the terminal's own: 30 columns and 10 rows where cells are small
_CHUNK: Final = 4096  # bytes of Base64 in one of kitty's sequences


def preview(image: Image, graphics: Graphics) -> str:
    """The sequence that draws a picture at the cursor, over at most 32 columns and 10 rows; nothing else is in it.

    It works where it is called, for as long as the picture takes to decode.
    """
    picture = decode(image)
    if graphics == "sixel":
        picture.thumbnail(_SIXEL)
        return sixel(picture)
    picture.thumbnail((_COLUMNS * _CELL[0], _ROWS * _CELL[1]))
    return _of_file(picture, _WRITERS[graphics])


def _of_file(picture: Pillow.Image, write: Callable[[bytes, int, int], str]) -> str:
    """The sequence of a protocol that sends a file, and lets the terminal scale it."""
    file = BytesIO()
    picture.save(file, "PNG")
    # One side is given, in cells, and the terminal finds the other: only it knows how large its cells are.
    is_wide = picture.width * _ROWS * _CELL[1] >= picture.height * _COLUMNS * _CELL[0]
    columns = -(-picture.width // _CELL[0]) if is_wide else 0
    rows = 0 if is_wide else -(-picture.height // _CELL[1])
    return write(file.getvalue(), columns, rows)


def _kitty(png: bytes, columns: int, rows: int) -> str:
    data = base64.b64encode(png).decode("ascii")
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    size = f"c={columns}" if columns else f"r={rows}"
    keys = [f"a=T,f=100,q=2,{size},"] + [""] * (len(chunks) - 1)  # draw a PNG, answer nothing
    more = [1] * (len(chunks) - 1) + [0]
    parts = zip(keys, more, chunks, strict=True)
    return "".join(f"\x1b_G{key}m={is_more};{chunk}\x1b\\" for key, is_more, chunk in parts)


def _iterm2(png: bytes, columns: int, rows: int) -> str:
    size = f"width={columns}" if columns else f"height={rows}"
    data = base64.b64encode(png).decode("ascii")
    return f"\x1b]1337;File=inline=1;size={len(png)};{size};preserveAspectRatio=1:{data}\x07"


_WRITERS: Final[Mapping[str, Callable[[bytes, int, int], str]]] = {"kitty": _kitty, "iterm2": _iterm2}
