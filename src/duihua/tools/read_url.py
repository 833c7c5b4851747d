"""A page of the web in words. Off unless it is asked for: it reaches the network at a model's wish.

The rules are those of pictures (`duihua.vision.download`): http and https, public addresses, ordinary ports, bounds.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Annotated, Final

from duihua.errors import InvalidImage, ToolFailed
from duihua.tools.function import FunctionTool
from duihua.tools.page_text import text_of_page
from duihua.vision.address import Reach
from duihua.vision.bounds import Bounds
from duihua.vision.door import Resolve, resolve_host
from duihua.vision.download import Download, Downloaded

__all__ = ["read_url"]

_BOUNDS: Final = Bounds(max_bytes=4 << 20, seconds=20)
_ACCEPT: Final = "text/html, application/xhtml+xml, text/plain, text/*;q=0.9, application/json, application/xml;q=0.8"
_PAGE: Final = 12_000  # characters that one call gives
_TEXTS: Final = ("text/", "application/json", "application/xml", "application/xhtml+xml", "application/javascript")
_IN_WORDS: Final = {  # of `duihua.vision`, where its words are about pictures
    "scheme": "the URL must begin with http:// or https://",
    "url": "the URL is not well formed",
    "address": "that address may not be reached from here: only public hosts, at ports {ports}",
    "bytes": f"the page is larger than {_BOUNDS.max_bytes:,} bytes",
    "time": f"the page did not come within {_BOUNDS.seconds:g} seconds",
    "redirects": "the page leads on and on, or from https to http",
    "connection": "the host is not there, cannot be reached, or broke off",
}


def read_url(
    *, reach: Reach = Reach(), resolve: Resolve = resolve_host, ssl_context: ssl.SSLContext | None = None
) -> FunctionTool[..., object]:
    """The tool.

    Args:
        reach: which hosts, networks and ports may be asked.
        resolve: the resolver.
        ssl_context: which certificates hold; None: those that the system trusts.
    """
    download = Download(_ACCEPT, _BOUNDS, reach=reach, resolve=resolve, ssl_context=ssl_context)

    async def read(
        url: Annotated[str, "beginning with http:// or https://", True],
        start: Annotated[int, "the character to begin at, to go on with a long page", False] = 0,
    ) -> str:
        try:
            found = await download.get(url)
        except InvalidImage as error:
            ports = "any" if reach.ports is None else ", ".join(str(port) for port in sorted(reach.ports))
            raise ToolFailed(_IN_WORDS.get(error.why, str(error)).format(ports=ports)) from error
        return await asyncio.to_thread(_page, found, max(start, 0))

    return FunctionTool(
        read, name="read_url", description="Reads a page of the web, and gives its text without the layout."
    )


def _page(found: Downloaded, start: int) -> str:
    kind = found.media_type.partition(";")[0].strip().lower()
    if kind and not kind.startswith(_TEXTS) and not kind.endswith(("+json", "+xml")):
        raise ToolFailed(f"there is no text at this URL: it is {kind[:80]}")
    if not kind and b"\0" in found.data[:1024]:
        raise ToolFailed("there is no text at this URL")
    text = text_of_page(found.data, found.media_type)
    if start and start >= len(text):
        raise ToolFailed(f"the page has only {len(text):,} characters")
    end = start + _PAGE
    shown = text[start:end]
    if start or end < len(text):
        more = f"; call again with start={end} for more" if end < len(text) else ""
        return f"{shown}\n\n[characters {start} to {min(end, len(text))} of {len(text)}{more}]"
    return shown or "(the page has no text)"
