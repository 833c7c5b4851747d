from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal.person import Person, Sit, environment


@pytest.fixture
def sit(tmp_path: Path) -> Iterator[Sit]:
    """Sit down at a conversation; the arguments are those of `terminal.stage`."""
    people: list[Person] = []

    def sit_down(*arguments: str, columns: int = 80) -> Person:
        history = str(tmp_path / "state" / "history")
        program = ["-m", "terminal.stage", "--history", history, *arguments]
        person = Person(program, environment(tmp_path), columns=columns)
        people.append(person)
        person.sees_line(">")
        return person

    yield sit_down
    for person in people:
        person.__exit__(None, None, None)
