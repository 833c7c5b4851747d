"""What every format offers: a way to force a call, which its own reader reads as one."""

from __future__ import annotations

import pytest

from duihua.parsing.catalogue import FORMATS
from duihua.parsing.format import Tag, ToolFormat
from parsing.reading import call, read


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)
def test_what_forces_a_call_is_read_as_one(format_: ToolFormat) -> None:
    script = (*format_.opening("get_weather"), '{"city": "a", "days": 2}', *format_.closing)
    tokens = [tag for tag in format_.tags if tag.endswith(("|>", "tool_call>"))]
    pieces = [(part.literal, tokens.index(part.literal)) if isinstance(part, Tag) else (part, None) for part in script]
    found = read(format_, [("", n) if t.endswith("|>") else (t, n) for t, n in pieces], tokens=tokens)
    assert found == [*call("get_weather", '{"city": "a", "days": 2}')]


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)
def test_a_call_whose_name_is_open_begins_like_one_whose_name_is_known(format_: ToolFormat) -> None:
    before = format_.opening(None)
    assert format_.opening("f") == (*before, "f", *format_.before_arguments)
