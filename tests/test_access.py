from __future__ import annotations

from pathlib import Path

import pytest

from duihua.access import Keys
from duihua.errors import ConfigError


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_no_keys_open_to_all() -> None:
    for keys in (Keys(), Keys.of(()), Keys.read(None)):
        assert not keys
        assert keys.opens(None)
        assert keys.opens("anything")


def test_each_key_opens_and_nothing_else() -> None:
    keys = Keys.of(["first-key", "second-key"])
    assert keys
    assert keys.opens("first-key")
    assert keys.opens("second-key")
    for other in (None, "", "first-key ", "First-key", "first-ke", "first-keysecond-key", "\udcff", "你好"):
        assert not keys.opens(other)


def test_keys_of_two_sources_all_open() -> None:
    keys = Keys.checked(["first-key"], "--api-key") + Keys.of(["second-key"])
    assert keys.opens("first-key")
    assert keys.opens("second-key")
    assert not keys.opens("third-key")
    assert not (Keys() + Keys())


@pytest.mark.parametrize("key", ["short", "你好你好你好你好", " blank-at-an-end"])
def test_a_key_that_cannot_be_sent_is_refused_without_being_told(key: str) -> None:
    with pytest.raises(ConfigError, match="--api-key") as refused:
        Keys.checked(["long-enough", key], "--api-key")
    assert key not in str(refused.value)


def test_keys_do_not_show() -> None:
    keys = Keys.of(["first-key"])
    assert "first-key" not in f"{keys!r} {keys}"


def test_a_file_holds_one_key_a_line(tmp_path: Path) -> None:
    text = "# who\n\n  first-key  \nsecond-key # not a comment\r\n#third-key\n"
    keys = Keys.read(written(tmp_path / "keys", text))
    assert len(keys.digests) == 2
    assert keys.opens("first-key")
    assert keys.opens("second-key # not a comment")
    assert not keys.opens("#third-key")


def test_a_mark_of_the_byte_order_is_no_part_of_a_key(tmp_path: Path) -> None:
    assert Keys.read(written(tmp_path / "keys", b"\xef\xbb\xbffirst-key\r\n")).opens("first-key")


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# none\n", "short\n", "long-enough\nshort\n", "ключ-ключ\n", b"\xff\xfe\x00"]
)
def test_a_file_without_good_keys_is_refused(tmp_path: Path, text: str | bytes) -> None:
    path = written(tmp_path / "keys", text)
    with pytest.raises(ConfigError, match="keys") as caught:
        Keys.read(path)
    assert "short" not in str(caught.value).replace("shorter", "")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path, Path("~nobody-of-this-name/keys")):
        with pytest.raises(ConfigError, match="cannot be read"):
            Keys.read(path)
