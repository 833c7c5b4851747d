import base64
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.errors import InvalidImage
from duihua.image import Image
from duihua.vision.bounds import Bounds
from duihua.vision.read import read_bytes, read_data_url, read_file, read_image, read_pixels
from vision.hostile import BOMBS, FILES
from vision.pictures import WAYS, encoded, every_way, exif, flag, gradient

FILE = encoded(flag())
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # what Pillow says of broken files


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def refused(data: bytes, **options: Any) -> InvalidImage:
    with pytest.raises(InvalidImage) as caught:
        read_bytes(data, **options)
    return caught.value


# What is taken


@pytest.mark.parametrize(("way", "data"), every_way().items())
def test_every_kind_is_taken_with_its_size_and_type(way: str, data: bytes) -> None:
    image = read_bytes(data, name="a")
    assert (image.width, image.height, image.media_type) == (40, 30, f"image/{way.split()[-1]}")
    assert (image.data, image.name) == (data, "a")


def test_whatever_a_person_gives_is_the_same_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "flag.png"
    path.write_bytes(FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    sources = [FILE, path, str(path), "flag.png", "~/flag.png", data_url(FILE)]
    assert {read_image(source) for source in sources} == {Image(FILE, 16, 32)}
    assert read_image("flag.png").name == "flag.png"
    assert read_image("flag.png", name="mine").name == "mine"


def test_a_pillow_image_is_taken() -> None:
    image = read_image(flag(), name="drawn")
    assert (image.width, image.height, image.media_type, image.name) == (16, 32, "image/png", "drawn")
    assert read_pixels(flag()) == image


def test_the_size_is_as_it_is_seen() -> None:
    for how in ("JPEG", "PNG", "WEBP", "TIFF"):
        image = read_bytes(encoded(flag(), how, exif=exif(6)))
        assert (image.width, image.height) == (32, 16), how


def test_one_pixel_is_a_picture() -> None:
    assert read_bytes(encoded(flag().resize((1, 1)))).width == 1


def test_a_name_and_a_media_type_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "flag.gif").write_bytes(FILE)
    assert read_file(tmp_path / "flag.gif").media_type == "image/png"
    assert read_data_url(data_url(FILE, "image/jpeg")).media_type == "image/png"


# What is refused


@pytest.mark.parametrize(("name", "case"), FILES.items())
def test_a_hostile_file_is_refused_for_what_it_is(name: str, case: tuple[bytes, str]) -> None:
    data, why = case
    error = refused(data, name="x.png")
    assert error.why == why, error
    assert re.match(r"x\.png: .+: .+", str(error)), error  # what and why, then the cure


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_a_bomb_takes_neither_time_nor_memory() -> None:
    """Each in turn, in a process whose peak is its own: a second and a hundred megabytes at most."""
    code = """
import resource, time, warnings
from duihua.errors import InvalidImage
from duihua.vision.read import read_bytes
from vision.hostile import BOMBS
import duihua.vision.pixels
warnings.simplefilter("ignore")
for name, make in BOMBS.items():
    data = make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    try:
        read_bytes(data)
    except InvalidImage:
        pass
    seconds = time.process_time() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    print(f"{name}\\t{seconds:.2f}\\t{grown}")
"""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [name for name, _, _ in lines] == list(BOMBS)
    assert not [line for line in lines if float(line[1]) > 1 or int(line[2]) > 100], lines


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_was_cut_off_is_refused(way: str) -> None:
    data = every_way()[way]
    missing = 5 if way in ("png", "gif") else 1  # the last bytes of these are no part of the picture
    for length in [*range(len(data) - missing, 0, -max(1, len(data) // 60))]:
        assert refused(data[:length]).why in ("truncated", "kind"), length


def test_the_bounds_are_checked_in_the_order_of_their_cost() -> None:
    data = encoded(gradient())[:60]  # broken, and too large in every way
    assert refused(data, bounds=Bounds(max_bytes=59, max_pixels=1, max_side=1)).why == "bytes"
    assert refused(b"?" * 60, bounds=Bounds(max_bytes=60)).why == "kind"
    whole = encoded(gradient())
    assert refused(whole, bounds=Bounds(max_side=39, max_pixels=1)).why == "side"
    assert refused(whole, bounds=Bounds(max_pixels=1199)).why == "pixels"
    assert read_bytes(whole, bounds=Bounds(max_bytes=len(whole), max_pixels=1200, max_side=40)).width == 40


def test_a_pillow_image_is_bounded_before_it_is_encoded() -> None:
    with pytest.raises(InvalidImage) as caught:
        read_image(gradient(), bounds=Bounds(max_pixels=1199))
    assert caught.value.why == "pixels"


def test_what_is_no_picture_at_all_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="bytes, a path, a data URL or a Pillow image, not int"):
        read_image(7)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("address", ["http://127.0.0.1/a.png", "HTTPS://example.org/a.png"])
def test_an_address_must_be_fetched_first(address: str) -> None:
    with pytest.raises(InvalidImage, match="must be fetched first") as caught:
        read_image(address)
    assert caught.value.why == "url"


# Files


@pytest.mark.parametrize("path", ["nothing.png", "", ".", "a\0b", "x" * 5000, "file:///etc/hostname", "~nobody-here/a"])
def test_a_path_that_leads_to_no_file_is_missing(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidImage, match="file") as caught:
        read_file(path)
    assert caught.value.why == "missing"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_or_a_device_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", "/dev/zero"):
        with pytest.raises(InvalidImage, match="no ordinary file") as caught:
            read_file(path)
        assert caught.value.why == "missing"


def test_no_more_of_a_file_is_read_than_a_picture_may_have(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.write(FILE)
        file.truncate(1 << 40)  # a hole: it takes no place
    with pytest.raises(InvalidImage, match=r"huge\.png: .*1,000 bytes") as caught:
        read_file(path, bounds=Bounds(max_bytes=1000))
    assert caught.value.why == "bytes"


# Anything


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_picture_or_refused(data: bytes) -> None:
    for start in (
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\0\0\0\0WEBP",
        b"GIF89a",
        b"BM",
        b"II*\0",
        b"MM\0+",
    ):
        try:
            read_bytes(start + data)
        except InvalidImage:
            continue


@given(
    st.sampled_from(list(every_way().values())),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 4000),
)
@settings(max_examples=400, deadline=None)
def test_any_change_to_a_picture_is_a_picture_or_refused(data: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    changed = bytearray(data)
    for at, value in changes:
        changed[at % len(changed)] = value
    bounds = Bounds(max_pixels=1_000_000)
    try:
        image = read_bytes(bytes(changed[: cut or None]), bounds=bounds)
    except InvalidImage:
        return
    assert image.width * image.height <= bounds.max_pixels


@given(st.text(max_size=100))
@settings(deadline=None)
def test_any_text_is_a_picture_or_refused(text: str) -> None:
    for read in (read_data_url, read_image):
        with pytest.raises(InvalidImage):
            read("data:" + text)
    with pytest.raises(InvalidImage):
        read_file("nowhere/" + text.replace("..", ""))
