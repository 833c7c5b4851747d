import base64

import pytest

from duihua.errors import InvalidImage
from duihua.vision.bounds import Bounds
from duihua.vision.data_url import file_of

BASE64 = base64.b64encode(bytes(range(256))).decode()


@pytest.mark.parametrize(
    "head",
    [
        *(f"data:image/{kind};base64" for kind in ("png", "jpeg", "jpg", "webp", "gif", "bmp", "tiff")),
        "DATA:IMAGE/PNG;BASE64",
        "data:image/png;name=a.png;base64",
        "data:image/png; charset=utf-8; base64",
    ],
)
def test_the_file_is_taken_out(head: str) -> None:
    assert file_of(f"{head},{BASE64}") == bytes(range(256))


def test_blanks_in_base64_do_not_count() -> None:
    assert file_of("data:image/png;base64," + "\r\n ".join(BASE64)) == bytes(range(256))


def test_percent_encoding_is_the_other_way() -> None:
    assert file_of("data:image/gif,GIF89a%00%ff,+") == b"GIF89a\0\xff,+"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "url"),
        ("data:", "url"),
        ("data:image/png;base64", "url"),
        ("date:image/png;base64,AAAA", "url"),
        ("file:///etc/passwd", "url"),
        ("data:image/png;" + "x" * 2000 + ",AAAA", "url"),
        ("data:image/png;base64,A", "url"),
        ("data:image/png;base64,AA%3D%3D", "url"),
        ("data:image/png;base64,AA=A", "url"),
        ("data:image/png;base64,对话", "url"),
        ("data:image/png;base64,_-8=", "url"),
        ("data:,hello", "kind"),
        ("data:;base64,AAAA", "kind"),
        ("data:text/html;base64,AAAA", "kind"),
        ("data:image/svg+xml;base64,AAAA", "kind"),
        ("data:image/heic;base64,AAAA", "kind"),
        ("data:application/octet-stream;base64,AAAA", "kind"),
    ],
)
def test_what_is_no_data_url_of_a_picture_is_refused(url: str, why: str) -> None:
    with pytest.raises(InvalidImage) as refused:
        file_of(url, name="x")
    assert (refused.value.why, refused.value.name) == (why, "x")


def test_what_must_be_too_large_is_not_decoded() -> None:
    for url in ("data:image/png;base64," + "A" * 4000, "data:image/png," + "%41" * 2000):
        with pytest.raises(InvalidImage, match="larger than the 100 bytes") as refused:
            file_of(url, bounds=Bounds(max_bytes=100))
        assert refused.value.why == "bytes"
