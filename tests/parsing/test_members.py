"""An object's members are told as they come."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from duihua.parsing.members import Members

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.text("abc{}[]:, ", min_size=1, max_size=4)


def read(text: str, *, step: int) -> tuple[Members, list[tuple[str, str]]]:
    """The members, each with its whole value, of a text that comes in pieces of some characters."""
    members, found, value = Members(), list[tuple[str, str]](), ""
    for start in range(0, len(text), step):
        for member in members.push(text[start : start + step]):
            value += member.text
            if member.is_end:
                found.append((member.key, value))
                value = ""
        if members.is_done or members.is_broken:
            break
    return members, found


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.sampled_from([None, 1]), st.integers(1, 9))
def test_every_member_of_an_object_is_told(value: dict[str, object], indent: int | None, step: int) -> None:
    members, found = read(json.dumps(value, ensure_ascii=False, indent=indent), step=step)
    assert members.is_done
    assert {key: json.loads(text) for key, text in found} == value


def test_what_follows_the_object_is_left() -> None:
    members, found = read('{"a": 1} and', step=100)
    assert found == [("a", "1")]
    assert members.rest == " and"


def test_what_is_no_object_is_broken_at_the_first_character_that_says_so() -> None:
    for text in ("[1]", "x", "{a: 1}", '{"a" 1}', '{"a": }', '{"a": 1 2}', '{"a": 1,}', "{,}"):
        members, _ = read(text, step=1)
        assert members.is_broken, text
        assert not members.is_done
