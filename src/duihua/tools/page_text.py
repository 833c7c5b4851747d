"""The words of a web page: HTML without its tags, its scripts and what nobody sees.

The time is linear in the page's length, whatever the page is like; it is read leniently, as browsers do.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

__all__ = ["text_of_html", "text_of_page"]

_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_TAG: Final = re.compile(r"/?([a-zA-Z][a-zA-Z0-9:-]*)")
_LOWER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")  # keeps every position
_UNSEEN: Final = {"script", "style", "noscript", "template", "svg", "math", "iframe", "object", "textarea", "select"}
_BLOCKS: Final = {
    "address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "dialog", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "html", "legend", "main", "nav", "ol", "p",
    "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "title", "tr", "ul",
}  # fmt: skip
_HEADINGS: Final = {f"h{level}": "#" * level for level in range(1, 7)}
_SNIFFED: Final = 2048  # bytes at the start in which a page may name its encoding
_OLD_CHINESE: Final = {"gb2312", "gbk", "x-gbk", "gb_2312-80"}  # gb18030 reads them all (WHATWG, Encoding Standard)


def text_of_page(data: bytes, media_type: str) -> str:
    """A text file or page in words; its encoding is the one that it names, else UTF-8.

    Args:
        media_type: as the server says it; HTML is told by it, or by how the file begins.
    """
    text = data.decode(_encoding(data, media_type), "replace").removeprefix("\ufeff")
    kind = media_type.partition(";")[0].strip().lower()
    begins = text[:200].lstrip().lower()
    if kind in ("text/html", "application/xhtml+xml") or (not kind and begins.startswith(("<!doctype html", "<html"))):
        return text_of_html(text)
    return text.replace("\r\n", "\n").strip()


def text_of_html(page: str) -> str:
    """The words of a page, blocks on lines of their own, headings after `#`, items after `-`, cells between `|`."""
    words: list[str] = []
    for is_tag, part in _parts(page):
        words.append(_mark(part) if is_tag else " ".join(html.unescape(f"|{part}|").split())[1:-1])
        # The bars keep a blank at either end, of which the next step leaves one.
    lines = (" ".join(line.split()) for line in "".join(words).split("\n"))
    tidy = "\n".join(line for line in lines if line.strip("|# -") or not line)
    return re.sub(r"\n{3,}", "\n\n", tidy).strip()


def _parts(page: str) -> Iterator[tuple[bool, str]]:
    """Tags (their names, a closing one's with `/`) and the text between them, in their order."""
    lowered = page.translate(_LOWER)
    at = 0
    while at < len(page):
        opened = page.find("<", at)
        if opened < 0:
            yield False, page[at:]
            return
        if opened > at:
            yield False, page[at:opened]
        tag = _TAG.match(lowered, opened + 1)
        if page.startswith("<!--", opened):
            at = _behind(page, "-->", opened + 4)
        elif tag is not None:
            at = _behind(page, ">", tag.end())
            name = tag[1]
            yield True, tag[0]
            if name in _UNSEEN and tag[0] == name and page[at - 2 : at] != "/>":
                at = _behind(lowered, f"</{name}", at)
                at = _behind(page, ">", at)
        elif page.startswith(("<!", "<?", "</"), opened):
            at = _behind(page, ">", opened + 1)
        else:
            yield False, "<"
            at = opened + 1


def _behind(page: str, end: str, start: int) -> int:
    """The place behind the next `end`; the end of the page where there is none."""
    found = page.find(end, start)
    return len(page) if found < 0 else found + len(end)


def _mark(tag: str) -> str:
    """What stands in the text for a tag."""
    name = tag.removeprefix("/")
    if name in _HEADINGS:
        return "\n\n" if tag[0] == "/" else f"\n\n{_HEADINGS[name]} "
    if name == "li":
        return "\n" if tag[0] == "/" else "\n- "
    if name in ("td", "th"):
        return " | " if tag[0] == "/" else " "
    if name == "br":
        return "\n"
    if name in ("p", "title", "table", "blockquote", "pre"):
        return "\n\n"
    return "\n" if name in _BLOCKS else ""


def _encoding(data: bytes, media_type: str) -> str:
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if data.startswith(mark):
            return encoding
    named = _CHARSET.search(media_type) or _CHARSET.search(data[:_SNIFFED].decode("latin-1"))
    name = named[1].lower() if named else "utf-8"
    name = "gb18030" if name in _OLD_CHINESE else name
    try:
        b"a".decode(name)
    except (LookupError, ValueError):  # there is no such encoding, or it is one of bytes
        return "utf-8"
    return name
