"""Figures on the pages: in one place each, and the same in the card and in both languages."""

import pytest
from demo.card import DOCS, card, get, put
from demo.evaluate import BUNDLED


def test_a_text_goes_between_its_marks():
    page = "a\n<!-- x -->\nold\n<!-- /x -->\nb"
    assert put(page, "x", "new | \\1") == "a\n<!-- x -->\nnew | \\1\n<!-- /x -->\nb"
    assert get(put(page, "x", "new"), "x") == "new"


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="0 places are marked 'x'"):
        put("nothing here", "x", "new")


def test_the_card_holds_its_table():
    assert get(card("| a |", "how"), "figures") == "| a |"


def test_the_pages_show_the_figures_of_the_card():
    shown = {get(path.read_text("utf-8"), "figures") for path in DOCS}
    assert shown == {get((BUNDLED / "README.md").read_text("utf-8"), "figures")}
