import struct

import pytest

from duihua.errors import InvalidImage
from duihua.vision.headers import Header, read_header
from duihua.vision.kinds import kind_of
from vision.pictures import chunk, encoded, every_way, exif, flag, gif, gradient, png_header, with_chunks


def header(data: bytes) -> Header:
    return read_header(data, kind_of(data))


@pytest.mark.parametrize(("way", "data"), every_way().items())
def test_the_size_is_read_without_decoding(way: str, data: bytes) -> None:
    read = header(data)
    assert (read.width, read.height) == (40, 30)
    assert read.scans > 5 if way == "progressive jpeg" else read.scans == 1


@pytest.mark.parametrize("how", ["JPEG", "PNG", "WEBP"])
def test_the_turn_is_read_and_the_size_is_as_stored(how: str) -> None:
    read = header(encoded(flag(), how, exif=exif(7)))
    assert (read.width, read.height, read.orientation) == (16, 32, 7)


def test_a_tiff_is_turned_by_its_decoder() -> None:
    assert header(encoded(flag(), "TIFF", exif=exif(7))).orientation == 1


@pytest.mark.parametrize(("way", "data"), every_way().items())
def test_a_file_that_ends_in_its_header_is_refused(way: str, data: bytes) -> None:
    kind = kind_of(data)
    for length in range(13):
        with pytest.raises(InvalidImage, match=kind.name) as refused:
            read_header(data[:length], kind, "x")
        assert refused.value.why == "truncated"


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(InvalidImage, match="no pixels"):
        header(png_header(0, 5))


def test_a_webp_canvas_counts_not_its_first_frame() -> None:
    animated = encoded(flag(), "WEBP", save_all=True, append_images=[gradient().resize((16, 32))])
    canvas = animated[:24] + (9999).to_bytes(3, "little") + (19999).to_bytes(3, "little") + animated[30:]
    assert (header(canvas).width, header(canvas).height) == (10000, 20000)


def test_a_gif_is_as_large_as_its_screen_or_its_first_frame() -> None:
    assert header(gif(10, 20, frame=(0, 0, 5, 5))).height == 20
    grown = header(gif(10, 20, frame=(60000, 8, 5000, 60000)))
    assert (grown.width, grown.height) == (65000, 60008)


def test_a_bmp_may_stand_on_its_head() -> None:
    standing = b"BM" + bytes(12) + struct.pack("<Lll", 40, 7, -9)
    assert (header(standing).width, header(standing).height) == (7, 9)
    assert header(b"BM" + bytes(12) + struct.pack("<LHH", 12, 7, 9)).height == 9


def test_scans_are_counted_to_the_end_of_the_picture_only() -> None:
    jpeg = encoded(flag(), "JPEG")
    assert header(jpeg + b"\xff\xda\0\2" * 50).scans == 1
    scan = jpeg[jpeg.index(b"\xff\xda") : -2]
    assert header(jpeg[:-2] + scan * 50 + jpeg[-2:]).scans == 51


JPEG = encoded(flag(), "JPEG")


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (encoded(flag())[:-12], "its end is missing"),
        (with_chunks(chunk(b"teXt", b"") * 70_000), "chunks"),
        (with_chunks(chunk(b"iCCP", b"") * 2), "two colour profiles"),
        (JPEG[:20] + b"\xff\xe5\0\2" * 70_000 + JPEG[20:], "segments"),
        (JPEG[:20] + b"\xff" * 70_000 + JPEG[20:], "nothing follows"),
        (JPEG[:20] + b"\xff\0" * 70_000 + JPEG[20:], "nothing follows"),
        (gif(9, 9, frame=(0, 0, 9, 9), before=b"!\xfe" + (b"\xff" + bytes(255)) * 5000 + b"\0"), "comments"),
        (gif(9, 9, frame=(0, 0, 9, 9), before=b"\0" * 70_000), "does not come"),
    ],
)
def test_what_makes_a_decoder_work_for_nothing_is_refused(data: bytes, flaw: str) -> None:
    with pytest.raises(InvalidImage, match=flaw) as refused:
        header(data)
    assert refused.value.why == "truncated"


def test_long_but_honest_extras_are_taken() -> None:
    assert header(with_chunks(chunk(b"teXt", b"a\0" + b"b" * 100_000) * 10)).width == 16
    assert header(gif(9, 9, frame=(0, 0, 9, 9), before=b"!\xff" + (b"\xff" + bytes(255)) * 5000 + b"\0")).width == 9
    assert header(JPEG[:20] + b"\xff" * 100 + JPEG[20:]).width == 16
