"""A directory that fills is noticed, and every directory can be removed."""

from __future__ import annotations

import os
from pathlib import Path

from duihua.tools.folder import holds_too_much, remove


def test_bytes_are_counted_below_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(os.urandom(100_000))
    assert holds_too_much(str(tmp_path), 90_000, 100)
    assert not holds_too_much(str(tmp_path), 200_000, 100)


def test_a_file_with_holes_counts_what_it_takes(tmp_path: Path) -> None:
    with open(tmp_path / "a", "wb") as file:
        file.truncate(1 << 30)
    assert not holds_too_much(str(tmp_path), 1 << 20, 100)


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    assert not holds_too_much(str(tmp_path), 1 << 20, 100)
    remove(str(tmp_path))
    assert os.path.isdir("/")


def test_many_files_are_too_much(tmp_path: Path) -> None:
    for index in range(101):
        (tmp_path / str(index)).touch()
    assert holds_too_much(str(tmp_path), 1 << 30, 100)
    assert not holds_too_much(str(tmp_path), 1 << 30, 101)


def test_a_deep_one_is_too_much_and_can_be_removed(tmp_path: Path) -> None:
    top, before = tmp_path / "top", os.getcwd()
    top.mkdir()
    os.chdir(top)
    try:
        for _ in range(100):
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.chdir(before)
    assert holds_too_much(str(top), 1 << 30, 10_000)
    remove(str(top))
    assert not top.exists()


def test_one_that_is_not_there_is_nothing(tmp_path: Path) -> None:
    remove(str(tmp_path / "none"))
    assert not holds_too_much(str(tmp_path / "none"), 1, 1)
