"""A form is read from a file before anything is loaded; what cannot be is refused with the file's name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from duihua.errors import ConfigError
from duihua.grammar import Grammar
from duihua.terminal.form import read_form

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def test_a_schema_is_a_grammar(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text("\ufeff" + json.dumps(SCHEMA), "utf-8")
    assert read_form(str(file)) == Grammar.json_schema(SCHEMA)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is no JSON"),
        ("[1]", "must be an object"),
        ('{"not": {"type": "string"}}', "not"),
        ('{"type": "text"}', "asks for nothing"),
    ],
)
def test_what_is_no_schema_is_refused(text: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=rf"schema\.json.*{why}"):
        read_form(str(file))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.json cannot be read"):
        read_form(str(tmp_path / "nowhere.json"))
