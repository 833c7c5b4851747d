"""Values of a request nest only so deep."""

import pytest

from duihua.server.decoding import WrongField
from duihua.server.nesting import DEEPEST, check_depth


def nested(levels: int) -> object:
    value: object = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value, "b": [2]}
    return value


def test_a_value_may_nest_so_deep_and_no_deeper() -> None:
    for value in (None, 1, "text", nested(DEEPEST - 2)):
        check_depth("field", value)
    with pytest.raises(WrongField, match="field") as caught:
        check_depth("field", nested(DEEPEST + 1))
    assert caught.value.name == "field"
