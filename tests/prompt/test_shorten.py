"""Words that go, and pictures that stay where they stood among those that are left."""

from hypothesis import given
from hypothesis import strategies as st

from duihua.image import Image
from duihua.messages import ImageAt, Message
from duihua.prompt.shorten import Cut, ends, shorten

TEXT = "".join(chr(0x4E00 + i) for i in range(40))
EACH = [(i, i + 1) for i in range(40)]


@given(st.lists(st.integers(0, 40), max_size=4), st.integers(0, 40), st.integers(0, 40))
def test_a_picture_stays_between_the_words_that_are_left(places: list[int], one: int, other: int) -> None:
    images = tuple(ImageAt(at, Image(bytes([i]), 3, 4)) for i, at in enumerate(sorted(places)))
    message = Message("user", TEXT, images=images)
    shorter = Cut(min(one, other), max(one, other), " … ").of(message)
    left = set(TEXT) & set(shorter.content)
    assert len(left) == 40 - abs(one - other)
    assert [placed.image for placed in shorter.images] == [placed.image for placed in images]
    for before, after in zip(images, shorter.images, strict=True):
        assert set(TEXT[: before.at]) & left == set(shorter.content[: after.at]) & left


def test_what_is_cut_stands_where_it_was_asked_for() -> None:
    message = Message("user", TEXT)
    assert shorten(TEXT, EACH, 14, "tail").of(message).content == TEXT[:10] + " …"
    assert shorten(TEXT, EACH, 14, "head").of(message).content == "… " + TEXT[30:]
    assert shorten(TEXT, EACH, 15, "middle").of(message).content == TEXT[:6] + " … " + TEXT[35:]
    assert shorten(TEXT, EACH, 1, "middle").of(message).content == TEXT[:1] + " … "


def test_where_nothing_goes_the_message_is_the_same() -> None:
    message = Message("user", TEXT)
    assert shorten(TEXT, EACH, 44, "middle").of(message) is message
    assert ends(TEXT, 10, "tail", len).of(message) is message
