import pytest

from duihua.errors import InvalidImage
from duihua.vision.kinds import KINDS, kind_of
from vision.pictures import every_way


@pytest.mark.parametrize(("way", "data"), every_way().items())
def test_a_kind_is_told_from_the_bytes(way: str, data: bytes) -> None:
    assert kind_of(data).name.lower() == way.split()[-1]


def test_every_kind_has_its_media_type() -> None:
    assert [kind.media_type for kind in KINDS] == [f"image/{kind.name.lower()}" for kind in KINDS]


@pytest.mark.parametrize(
    ("start", "seems"),
    [
        (b"", "the file is empty"),
        (b"\0" * 100, "no picture of a known kind"),
        (b"GIF88a", "no picture of a known kind"),
        (b"RIFF\0\0\0\0AVI ", "no picture of a known kind"),
        (b"\x89PNG\r\n\x1a", "no picture of a known kind"),
        (b"\x80\x04\x95pickle", "no picture of a known kind"),
        (b"\n <svg xmlns", "an SVG drawing"),
        (b"\xef\xbb\xbf<?xml version", "an XML file"),
        (b"<!DOCTYPE HTML>", "a page of HTML"),
        (b"%PDF-1.7", "a PDF"),
        (b"\0\0\0\x18ftypheic", "a HEIC picture"),
        (b"\0\0\0\x1cftypavif", "an AVIF picture"),
        (b"\0\0\0\x1cftypisom", "a film"),
        (b"\0\0\1\0\1\0", "an icon"),
        (b"PK\3\4", "an archive"),
    ],
)
def test_what_is_no_picture_is_refused_by_what_it_seems(start: bytes, seems: str) -> None:
    with pytest.raises(InvalidImage, match=rf"x\.png: .*{seems}.*JPEG, PNG, WebP, GIF, BMP, TIFF") as refused:
        kind_of(start, "x.png")
    assert refused.value.why == "kind"
