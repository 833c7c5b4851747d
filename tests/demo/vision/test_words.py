"""Words: what is said of a picture is found again in a text."""

import pytest
from demo.grammar import LANGS, Lang
from demo.vision.picture import COLOURS, DIGITS, SHAPES, SIDES, Kind
from demo.vision.words import colour_of, how_many, joined, name_of, one_of, said, side_words, some_of


@pytest.mark.parametrize("lang", LANGS)
def test_every_name_is_found_and_no_other(lang: Lang):
    for shape in (*SHAPES, *DIGITS):
        for colour in COLOURS:
            kind = Kind(shape, colour)
            for text in (one_of(name_of(kind, lang), lang), some_of(3, name_of(kind, lang), lang)):
                assert said(text, "colour", lang) == {colour}
                assert said(text, "shape", lang) - {"3"} == {shape} - {"3"}


@pytest.mark.parametrize("lang", LANGS)
def test_numbers_and_sides_are_found(lang: Lang):
    for count in range(1, 6):
        assert said(some_of(count, "X", lang), "count", lang) == {str(count)}
        assert said(how_many(count, lang), "count", lang) == {str(count)}
    for side in SIDES:
        assert said(side_words(side, lang), "side", lang) == {side}


def test_what_only_looks_like_a_number_is_none():
    assert said("一共三个圆形。", "count", "zh") == {"3"}
    assert said("第一张更多。", "count", "zh") == set()
    assert said("第一张更多。", "nth", "zh") == {"0"}
    assert said("That is a stone.", "count", "en") == set()


def test_a_verdict_stands_at_the_beginning():
    assert said("Yes, it is.", "verdict", "en") == {"yes"}
    assert said("No, there is none.", "verdict", "en") == {"no"}
    assert said("I know nothing.", "verdict", "en") == set()
    assert said("不是，是圆形。", "verdict", "zh") == {"no"}
    assert said("是的。", "verdict", "zh") == {"yes"}
    assert said("没有圆形。", "verdict", "zh") == {"no"}


def test_lists_read_as_people_write_them():
    assert joined(["a", "b", "c"], "en") == "a, b and c"
    assert joined(["甲", "乙", "丙"], "zh") == "甲、乙和丙"
    assert joined(["a"], "en") == "a"
    assert one_of("orange star", "en") == "an orange star"
    assert some_of(2, "cross", "en") == "two crosses"
    assert some_of(2, "圆形", "zh") == "两个圆形"
    assert colour_of("red", "zh") == "红色"
