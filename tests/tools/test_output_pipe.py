"""Of what a process prints, the beginning and the end are kept."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from duihua.tools.output_pipe import OutputPipe


@contextmanager
def pipe(characters: int) -> Generator[tuple[OutputPipe, int]]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        yield OutputPipe(reading, characters), writing
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("text", ["", "short", "茶" * 100])
def test_what_is_short_is_whole(text: str) -> None:
    with pipe(100) as (output, writing):
        os.write(writing, text.encode())
        output.read_rest()
        assert output.text() == text


@pytest.mark.parametrize("parts", [1, 50])
@pytest.mark.parametrize("letter", ["x", "茶"])
def test_the_middle_of_what_is_long_is_left_out(parts: int, letter: str) -> None:
    with pipe(100) as (output, writing):
        whole = f"begin {letter * 1000} end"
        size = len(whole) // parts + 1
        for start in range(0, len(whole), size):
            os.write(writing, whole[start : start + size].encode())
            output.read()
        output.read_rest()
        text = output.text()
        assert text.startswith("begin " + letter * 69 + "\n[... ")
        assert text.endswith(f"\n{letter * 21} end")
        assert f"{len(whole.encode()):,} bytes in all" in text


def test_it_begins_anew() -> None:
    with pipe(100) as (output, writing):
        os.write(writing, b"before")
        output.begin()
        os.write(writing, b"after")
        output.read_rest()
        assert (output.text(), output.count) == ("after", 5)


def test_its_end_is_told() -> None:
    reading, writing = os.pipe()
    output = OutputPipe(reading, 10)
    os.write(writing, b"a")
    os.close(writing)
    assert output.read()
    assert not output.read()
    os.close(reading)
