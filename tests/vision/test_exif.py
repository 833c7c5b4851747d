import struct

import pytest

from duihua.vision.exif import orientation_of, read_directory
from vision.pictures import encoded, exif, flag, tiff

BYTES, SHORT, LONG = 1, 3, 4


def test_a_directory_says_the_size_and_the_turn() -> None:
    directory = read_directory(tiff((256, SHORT, 1, 40), (257, LONG, 1, 30), (274, SHORT, 1, 6)))
    assert (directory.width, directory.height, directory.orientation, directory.is_honest) == (40, 30, 6, True)


@pytest.mark.parametrize("options", [{}, {"big_tiff": True}, {"compression": "tiff_lzw"}])
def test_pillows_own_files_are_honest(options: dict[str, object]) -> None:
    directory = read_directory(encoded(flag(), "TIFF", exif=exif(5), **options))
    assert (directory.width, directory.height, directory.orientation, directory.is_honest) == (16, 32, 5, True)


def test_both_orders_of_bytes_are_read() -> None:
    assert orientation_of(b"MM\0*" + struct.pack(">LHHHLHHL", 8, 1, 274, SHORT, 1, 8, 0, 0)) == 8
    assert orientation_of(b"Exif\0\0" + tiff((274, SHORT, 1, 8))) == 8


@pytest.mark.parametrize("data", [b"", b"II", b"XX*\0\0\0\0\0", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff"])
def test_what_cannot_be_read_has_no_directory_and_no_turn(data: bytes) -> None:
    with pytest.raises(ValueError, match="no directory"):
        read_directory(data)
    assert orientation_of(data) == 1


@pytest.mark.parametrize(
    "entry",
    [(274, SHORT, 2, 6), (274, BYTES, 1, 77), (274, SHORT, 1, 0), (274, SHORT, 1, 9), (274, 2, 1, 6), (274, 99, 1, 6)],
)
def test_a_turn_of_another_form_is_none(entry: tuple[int, int, int, int]) -> None:
    assert orientation_of(tiff(entry)) == 1


def test_entries_that_share_their_bytes_are_not_honest() -> None:
    behind = bytes(1000)
    place = 8 + 2 + 2 * 12 + 4
    assert read_directory(tiff((1, BYTES, 500, place), (2, BYTES, 500, place + 500), behind=behind)).is_honest
    assert not read_directory(tiff((1, BYTES, 1000, place), (2, BYTES, 1000, place), behind=behind)).is_honest


def test_entries_beyond_the_end_are_not_honest() -> None:
    assert not read_directory(tiff((1, BYTES, 5, 100))).is_honest
    assert not read_directory(tiff((1, LONG, 1 << 31, 0))).is_honest


def test_the_directories_below_count_too() -> None:
    entries = struct.pack("<HHHLLHHLL", 2, 1, BYTES, 900, 30, 2, BYTES, 900, 30) + bytes(1000)
    assert not read_directory(tiff((34665, LONG, 1, 8 + 2 + 12 + 4), behind=entries)).is_honest


def test_entries_of_very_many_numbers_are_not_honest() -> None:
    count = (1 << 18) + 1
    place = 8 + 2 + 12 + 4
    assert read_directory(tiff((273, SHORT, count - 1, place), behind=bytes(2 * count))).is_honest
    assert not read_directory(tiff((273, SHORT, count, place), behind=bytes(2 * count))).is_honest
