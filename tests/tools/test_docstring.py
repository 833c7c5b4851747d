"""A docstring says what a function does, and what each argument is, in any of three forms."""

from __future__ import annotations

import pytest

from duihua.tools.docstring import read_docstring

GOOGLE = """Tell the weather.

    For a city of China.

    Args:
        city: its name, which may
            be long: very long
        days (int, optional): how many
        *rest: more

    Returns:
        text: not an argument
    """
NUMPY = """Tell the weather.

    For a city of China.

    Parameters
    ----------
    city : str
        its name, which may
        be long: very long
    days, rest : int, optional
        how many

    Returns
    -------
    text
        not an argument
    """
SPHINX = """Tell the weather.

    For a city of China.

    :param city: its name, which may
        be long: very long
    :type city: str
    :param int days: how many
    :returns: text
    :raises ValueError: never
    """


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, SPHINX])
def test_each_form_gives_the_same(text: str) -> None:
    found = read_docstring(text)
    assert found.description == "Tell the weather.\n\nFor a city of China."
    assert found.arguments["city"] == "its name, which may be long: very long"
    assert found.arguments["days"] == "how many"
    assert set(found.arguments) <= {"city", "days", "rest"}


def test_a_docstring_without_sections_is_all_description() -> None:
    text = "Note: this is prose.\n\nArgs are not described: see elsewhere."
    assert read_docstring(text).description == text
    assert not read_docstring(text).arguments


def test_no_docstring_says_nothing() -> None:
    assert read_docstring(None).description == ""
    assert read_docstring("").arguments == {}
