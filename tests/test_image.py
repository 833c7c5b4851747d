import dataclasses

import pytest

from duihua.image import Image


def test_pictures_of_the_same_file_are_equal_whatever_they_are_called() -> None:
    first, second = Image(b"file", 2, 3, name="a.png"), Image(b"file", 2, 3, name="b.png")
    assert first == second
    assert hash(first) == hash(second)
    assert first != Image(b"another", 2, 3)


def test_a_picture_is_known_by_the_checksum_of_its_file() -> None:
    assert Image(b"", 1, 1).sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_picture_does_not_print_its_file_and_cannot_change() -> None:
    picture = Image(b"file", 2, 3)
    assert "file" not in repr(picture)
    with pytest.raises(dataclasses.FrozenInstanceError):
        picture.width = 4  # type: ignore[misc]
