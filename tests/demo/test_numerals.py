"""Numbers in words."""

import pytest
from demo.grammar import Lang
from demo.numerals import spoken


@pytest.mark.parametrize(
    ("number", "lang", "words"),
    [(0, "zh", "零"), (10, "zh", "十"), (21, "zh", "二十一"), (30, "en", "thirty"), (99, "en", "ninety-nine")],
)
def test_numbers_in_words(number: int, lang: Lang, words: str):
    assert spoken(number, lang) == words
