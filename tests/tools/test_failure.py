"""What a tool raised, in words."""

from __future__ import annotations

import pytest

from duihua.tools.failure import failure_of


class Mute(Exception):
    def __str__(self) -> str:
        raise Mute


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such city"), "ValueError: no such city"),
        (ValueError(), "ValueError"),
        (SystemExit(1), "SystemExit: 1"),
        (Mute(), "Mute"),
        (type("Long" * 100, (Exception,), {})(), "Long" * 20),
    ],
)
def test_an_error_is_told_by_its_name_and_what_it_says(error: BaseException, text: str) -> None:
    assert str(failure_of(error)) == text
