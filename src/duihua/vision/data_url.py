"""Data URLs (RFC 2397): a file inside its own address."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from duihua.vision.bounds import Bounds, check_bytes
from duihua.vision.kinds import KINDS
from duihua.vision.refusal import refusal

__all__ = ["file_of"]

_MEDIA_TYPES: Final = frozenset(kind.media_type for kind in KINDS) | {"image/jpg"}  # so it is often written
_BLANK: Final = re.compile(rb"[ \t\r\n]+")


def file_of(url: str, *, bounds: Bounds = Bounds(), name: str = "") -> bytes:
    """The bytes that a data URL holds, in Base64 or percent-encoded; not looked at yet.

    Its media type must be one of those that are taken, and need not be the right one of them: which kind the file is,
    its bytes say.

    Raises:
        InvalidImage: "url" where it is not well formed, "kind" where its media type is another, "bytes" where it is so
            long that its file must be too large.
    """
    head, comma, body = url[:1000].partition(",")
    if head[:5].lower() != "data:" or not comma:
        raise refusal("url", 'this is no data URL of a picture: write "data:image/png;base64,..."', name)
    media_type, *parameters = (part.strip() for part in head[5:].lower().split(";"))
    if media_type not in _MEDIA_TYPES:
        listed = ", ".join(sorted(_MEDIA_TYPES))
        raise refusal("kind", f"the data URL's media type is {media_type[:80]!r} and must be one of {listed}", name)
    is_base64 = "base64" in parameters[-1:]
    longest = bounds.max_bytes * (2 if is_base64 else 3)  # letters: 4 for 3 bytes and some blanks; 3 for a byte
    if len(url) - len(head) > longest + 1000:
        check_bytes(longest, bounds, name)
    body = url[len(head) + 1 :]
    return _from_base64(body, name) if is_base64 else unquote_to_bytes(body)


def _from_base64(body: str, name: str) -> bytes:
    try:
        return base64.b64decode(_BLANK.sub(b"", body.encode("ascii")), validate=True)
    except (binascii.Error, ValueError) as error:
        raise refusal("url", "the data URL's Base64 is not well formed: encode the file again", name) from error
