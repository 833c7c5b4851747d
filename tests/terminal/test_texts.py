import ast
import re
import string
from pathlib import Path

import pytest

import duihua.terminal
from duihua.terminal.texts import TEXTS, Say


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
    source = Path(duihua.terminal.__file__).parents[1]
    files = [*source.glob("terminal/*.py"), *source.glob("cli/*.py")]
    literals: set[str] = set()
    for file in files:
        if file.name != "texts.py":
            tree = ast.parse(file.read_text("utf-8"))
            literals |= {
                str(node.args[0].value)
                for node in ast.walk(tree)
                if isinstance(node, ast.Call)
                and ast.unparse(node.func).rpartition(".")[2] in ("say", "_say")
                and node.args
                and isinstance(node.args[0], ast.Constant)
            }
            literals |= {
                str(part.value)
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("say", "_say")
                for branch in node.args
                if isinstance(branch, ast.IfExp)
                for part in (branch.body, branch.orelse)
                if isinstance(part, ast.Constant)
            }
    made = {name for name in TEXTS if name.startswith(("stage_", "origin_", "role_", "owner_", "reason_", "approval_"))}
    assert literals == set(TEXTS) - made


def test_the_plural_follows_the_count() -> None:
    say = Say("en")
    assert say("tokens", count=1) == "1 token"
    assert say("tokens", count=1200) == "1,200 tokens"
    assert Say("zh")("tokens", count=2) == "2 token"


def test_choosing_is_by_language() -> None:
    assert Say("en").choose("yes", "是") == "yes"
    assert Say("zh").choose("yes", "是") == "是"
