import ast
import re
import string
from pathlib import Path

import pytest

import duihua.web
from duihua.web.layout import SAMPLED
from duihua.web.texts import TEXTS, Say


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("name", TEXTS)
def test_both_languages_say_the_same_things(name: str) -> None:
    en, zh = TEXTS[name]
    assert placeholders(en) - {"s"} == placeholders(zh)
    assert "s" not in placeholders(en) or "count" in placeholders(en)
    assert en
    assert zh


@pytest.mark.parametrize("name", TEXTS)
def test_english_has_no_chinese_in_it(name: str) -> None:
    assert not re.search(r"[\u4e00-\u9fff]", TEXTS[name][0])


def test_every_text_is_used_and_every_used_text_is_there() -> None:
    folder = Path(duihua.web.__file__).parent
    files = [*folder.glob("*.py"), folder.parent / "cli" / "web.py"]
    said: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and file.name != "texts.py":
                said.add(node.value)
    assert set(TEXTS) <= said
    assert set(SAMPLED) <= set(TEXTS)


def test_the_plural_follows_the_count() -> None:
    assert Say("en")("tokens", count=1) == "1 token"
    assert Say("en")("tokens", count=1200) == "1,200 tokens"
    assert Say("zh")("tokens", count=2) == "2 token"
