"""A page in words: what a reader sees, in any encoding, and in linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.tools.page_text import text_of_html, text_of_page

PAGE = """<!DOCTYPE html><html><head><title>Tea &amp; cake</title><style>p { color: red }</style>
<script>if (a < b) document.write("<p>not this</p>")</script></head>
<body><!-- nor <b>this</b> --><h1>Prices</h1><p>A cup of <b>green</b>
  tea   is <i>3</i>&nbsp;&euro;.<br>Cake: 4 &lt; 5</p>
<ul><li>one</li><li>two</ul>
<TABLE><tr><th>what</th><th>price</th></tr><tr><td>tea</td><td>3</td></tr></TABLE>
<script src=x></SCRIPT >end</body></html>"""


def test_a_page_is_read_as_it_is_seen() -> None:
    assert text_of_html(PAGE).split("\n") == [
        "Tea & cake", "", "# Prices", "", "A cup of green tea is 3 €.", "Cake: 4 < 5", "", "- one", "", "- two", "",
        "what | price |", "", "tea | 3 |", "", "end",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("a <b", "a"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("a<!-- b", "a"),
        ("a<script>b", "a"),
        ("a<script/>b", "ab"),
        ("x<svg><text>no</text></svg>y", "xy"),
        ("<p>a</p><p></p><p></p><p>b</p>", "a\n\nb"),
        ("&lt;|user|&gt;", "<|user|>"),
        ("İ<SCRIPT>x</SCRIPT>y", "İy"),
        ("", ""),
    ],
)
def test_broken_pages_are_read_leniently(page: str, text: str) -> None:
    assert text_of_html(page) == text


@given(st.text(alphabet="<>/!-&;abp \n", max_size=200))
def test_no_page_breaks_it(page: str) -> None:
    text_of_html(page)


@pytest.mark.parametrize("part", ["<", "<!--", "<a ", "<script>", "</", "<!", "&", "<a b='", "&#", "<li>", "\n"])
def test_a_hostile_page_takes_no_longer_than_another(part: str) -> None:
    began = time.monotonic()
    text_of_html(part * (1_000_000 // len(part)))
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        ("中文".encode(), "text/plain"),
        ("中文".encode("gbk"), "text/plain; charset=GB2312"),
        ("\ufeff中文".encode(), ""),
        ("\ufeff中文".encode("utf-16-le"), "text/plain"),
        ("<html><meta charset='gbk'>中文".encode("gbk"), ""),
        ("<html><meta charset='gbk'>中文".encode("gbk"), "text/html"),
        ("中文".encode(), "text/plain; charset=base64"),
        ("中文".encode(), "text/plain; charset=nothing-such"),
    ],
)
def test_the_encoding_is_the_page_s(data: bytes, media_type: str) -> None:
    assert text_of_page(data, media_type) == "中文"


def test_plain_text_keeps_its_layout() -> None:
    assert text_of_page(b"a  <b>\r\n  c\n", "text/plain") == "a  <b>\n  c"
    assert text_of_page(b'{"a":  1}', "application/json") == '{"a":  1}'
