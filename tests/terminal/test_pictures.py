import asyncio
import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from chat.talk import chat, engine
from duihua.errors import InvalidImage, InvalidParameter, UnsupportedFeature
from duihua.image import Image
from duihua.messages import ImageAt, Message
from duihua.terminal.pictures import are_dropped, check_sight, named_sources, picture_line, read_picture, said_line
from duihua.terminal.texts import Say
from duihua.vision.fetch import Fetcher
from vision.pictures import encoded, flag
from vision.web import ANYWHERE, Names, reply, site

EN = Say("en")
URL = "https://example.org/a%20cat.png?size=1&kind='x'"


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with pictures in it, in which we are, and which is our home."""
    for name in ("cat.png", "my cat.png", "it's a cat.png", "小猫.png"):
        (tmp_path / name).write_bytes(encoded(flag()))
    (tmp_path / "notes.txt").write_text("cat.png", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


WAYS = {
    "{}": "as it is",
    "'{}'": "in quotes",
    '"{}"': "in double quotes",
    "'{}' ": "as GNOME's terminal",
    "  {}\n": "with blanks around",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["cat.png", "my cat.png", "小猫.png"])
def test_a_path_is_found_however_terminals_write_it(there: Path, way: str, name: str) -> None:
    path = str(there / name)
    assert named_sources(way.format(path)) == (path,)


def test_blanks_escaped_and_quotes_quoted_as_shells_do_are_undone(there: Path) -> None:
    path = str(there / "my cat.png")
    assert named_sources(path.replace(" ", "\\ ")) == (path,)
    assert named_sources(shlex.quote(str(there / "it's a cat.png"))) == (str(there / "it's a cat.png"),)


def test_a_file_url_is_its_path(there: Path) -> None:
    assert named_sources((there / "小猫.png").as_uri()) == (str(there / "小猫.png"),)
    assert named_sources(f"file://localhost{there}/my%20cat.png") == (str(there / "my cat.png"),)
    assert named_sources("file:///C:/my%20cat.png") == ("C:/my cat.png",)
    assert named_sources("file://elsewhere/cat.png") == ("elsewhere/cat.png",)


def test_the_home_directory_may_be_a_tilde(there: Path) -> None:
    assert named_sources("~/my cat.png") == (str(there / "my cat.png"),)


def test_several_are_named_where_all_are_there(there: Path) -> None:
    assert named_sources(f"cat.png 'my cat.png' {URL.partition('?')[0]}") == (
        "cat.png",
        "my cat.png",
        "https://example.org/a%20cat.png",
    )
    assert named_sources("cat.png none.png") == ("cat.png none.png",)


def test_what_is_not_there_is_one_path_without_its_quotes() -> None:
    assert named_sources("'no such.png'") == ("no such.png",)
    assert named_sources("no\\ such.png") == ("no such.png",)
    assert named_sources("don't.png") == ("don't.png",)
    assert named_sources("") == ()


def test_a_url_stays_as_it_is() -> None:
    assert named_sources(f" {URL} ") == (URL,)
    assert named_sources("HTTP://EXAMPLE.ORG/X") == ("HTTP://EXAMPLE.ORG/X",)


@pytest.mark.parametrize("line", ["cat.png", "'my cat.png' ", "cat.png 小猫.png", "~/cat.png", "my\\ cat.png"])
def test_a_line_of_nothing_but_pictures_was_dropped(there: Path, line: str) -> None:
    assert are_dropped(line)


@pytest.mark.parametrize(
    "line",
    [
        "",
        " cat.png",
        "what is on cat.png?",
        "cat.png is what?",
        "cat.png none.png",
        "notes.txt",
        "cat.png notes.txt",
        "none.png",
        ".",
        "https://example.org/cat.png",
        "a\0b",
        "x" * 100_000,
        "'",
    ],
)
def test_a_line_that_mentions_one_is_a_text(there: Path, line: str) -> None:
    assert not are_dropped(line)


def test_a_picture_is_known_by_its_beginning_or_its_name(there: Path) -> None:
    (there / "unnamed").write_bytes(encoded(flag(), "JPEG"))
    (there / "drawing.svg").write_text("<svg/>", "utf-8")
    (there / "empty").touch()
    os.mkfifo(there / "pipe.png")  # opening it would wait for ever
    assert [are_dropped(name) for name in ("unnamed", "drawing.svg", "empty", "pipe.png")] == [True, True, False, False]


def test_paths_are_read_and_urls_fetched(there: Path) -> None:
    fetcher = Fetcher(reach=ANYWHERE, resolve=Names())

    async def read() -> tuple[Image, Image]:
        async with site({"/cats/big%20cat.png": reply(encoded(flag(20, 40)))}) as web:
            url = web.url("/cats/big%20cat.png?size=1")
            return await read_picture(str(there / "cat.png"), fetcher), await read_picture(url, fetcher)

    here, afar = asyncio.run(read())
    assert (here.name, here.width, here.height) == ("cat.png", 16, 32)
    assert (afar.name, afar.width, afar.height) == ("big cat.png", 20, 40)
    with pytest.raises(InvalidImage, match="cannot be read"):
        asyncio.run(read_picture("none.png", fetcher))


def test_a_url_is_fetched_within_the_usual_bounds() -> None:
    with pytest.raises(InvalidImage) as refused:
        asyncio.run(read_picture("http://127.0.0.1:9/cat.png"))
    assert refused.value.why == "address"


def test_a_model_is_shown_as_many_pictures_as_it_takes() -> None:
    info = chat(engine(max_images=2)).info
    check_sight(info, 2)
    with pytest.raises(InvalidParameter, match="scripted takes at most 2"):
        check_sight(info, 3)
    blind = chat(engine()).info
    check_sight(blind, 0)
    with pytest.raises(UnsupportedFeature, match="scripted sees none"):
        check_sight(blind, 1)


def test_a_picture_s_name_is_one_harmless_line() -> None:
    image = Image(b"x", 64, 48, name="a\x1b]0;owned\x07\n\tb\x9b2J.png")
    assert picture_line(EN, image) == "a␛]0;owned␇ b\ufffd2J.png 64x48"
    assert picture_line(EN, replace(image, name="")) == "picture 64x48"
    assert picture_line(EN, replace(image, name="b.png"), 12) == "b.png 64x48 · 12 tokens"
    assert len(picture_line(EN, replace(image, name="x" * 300))) < 50


def test_a_message_in_words_has_its_pictures_where_they_stand() -> None:
    cat = Image(b"x", 64, 48, name="cat.png")
    message = Message("user", "what is this, and this?", images=(ImageAt(0, cat), ImageAt(12, cat)))
    assert said_line(EN, message) == "[cat.png 64x48] what is this [cat.png 64x48] , and this?"
    assert said_line(EN, Message("user", "two\nlines")) == "two\nlines"
