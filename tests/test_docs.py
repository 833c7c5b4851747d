"""The documents are true: their code runs, their links lead somewhere, and both languages say the same."""

import contextlib
import io
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple, cast

import pytest

import duihua
from duihua.cli.app import run
from duihua.config import read_settings

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "duihua"
README, README_ZH = ROOT / "README.md", ROOT / "README.zh.md"
PAGES = [README, README_ZH, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TWINS = [(page, twin) for page in PAGES if (twin := page.with_name(f"{page.stem}.zh.md")).exists()]
IN_ENGLISH_ONLY = {"CONTRIBUTING.md", "CHANGELOG.md", "architecture.md"}
NOT_RUN = ("git clone ", "cd ", "pip install ", "pip uninstall ")  # they reach the network, or nothing is left to check
SHOWN = re.compile(r"^ *print\(.*\)  # (?P<line>.+)$", re.MULTILINE)


class Block(NamedTuple):
    language: str
    text: str
    line: int  # of the fence, from 1


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(match[1], match[2], text.count("\n", 0, match.start()) + 1) for match in found]


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def of_readme(language: str) -> list[Block]:
    return [block for block in blocks(README) if block.language == language]


def name(block: Block) -> str:
    return f"line {block.line}"


# The code of README.md


def test_the_python_blocks_run_and_print_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, object] = {}
    for block in of_readme("python"):
        source = "\n" * block.line + block.text
        exec(compile(source, str(README), "exec"), namespace)
        printed = iter(capsys.readouterr().out.splitlines())
        for shown in SHOWN.finditer(block.text):
            assert shown["line"] in printed, f"{name(block)}: {shown['line']!r} is not printed, or not in this order"
    model = cast("duihua.Model", namespace["model"])
    check_transcript(model)
    model.close()


@pytest.mark.parametrize("page", ["tools.md", "tools.zh.md", "structured.md", "structured.zh.md"])
def test_the_python_blocks_of_a_page_run_and_print_what_they_say(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, object] = {"__name__": page.replace(".", "_")}
    for block in (block for block in blocks(ROOT / "docs" / page) if block.language == "python"):
        exec(compile("\n" * block.line + block.text, page, "exec", dont_inherit=True), namespace)
        printed = capsys.readouterr().out.splitlines()
        assert [shown["line"] for shown in SHOWN.finditer(block.text)] == printed, name(block)
    cast("duihua.Model", namespace["model"]).close()


@pytest.mark.parametrize("page", ["tools.md", "tools.zh.md"])
def test_the_settings_of_tools_are_ones_that_there_are(page: str) -> None:
    shown = next(block for block in blocks(ROOT / "docs" / page) if block.language == "toml")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "duihua.toml")
        file.write_text(shown.text, "utf-8")
        tools = read_settings(file=file, environ={}).tools
    assert [server.name for server in tools.servers()] == ["files", "docs"]
    assert tools.approval_of("files_write_file") == "never"
    assert tools.python_settings().seconds == 30


def check_transcript(model: duihua.Model) -> None:
    """The conversation at the top, said again: the same answers of as many tokens."""
    transcript = of_readme("text")[0].text
    assert transcript.startswith("$ duihua chat --seed 1\n")
    talk = model.conversation(seed=1)
    turns = re.findall(r"^> (.+)\n(.+)\n(\d+) tokens", transcript, re.MULTILINE)
    assert turns
    for asked, answered, tokens in turns:
        reply = talk.send(asked)
        assert (reply, reply.usage.completion_tokens) == (answered, int(tokens))


def commands(block: Block) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output that is shown under it."""
    parts = re.split(r"^\$ (.+)\n", block.text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("block", of_readme("console"), ids=name)
def test_the_console_blocks_run_and_print_what_they_show(block: Block, tmp_path: Path) -> None:
    settings = f'unset "${{!DUIHUA_@}}" "${{!LC_@}}"; export LANG=C.UTF-8 XDG_CONFIG_HOME="{tmp_path}"\n'
    function = f'duihua() {{ "{sys.executable}" -X utf8 -m duihua "$@"; }}\n'
    for command, shown in commands(block):
        script = f"set -o pipefail\n{settings}{function}{command}"
        done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == shown, command


def shell_lines() -> list[str]:
    lines = [line.partition("  #")[0].strip() for block in of_readme("sh") for line in block.text.splitlines()]
    return [line for line in lines if line and not line.startswith(NOT_RUN)]


@pytest.mark.parametrize("line", shell_lines())
def test_the_other_commands_are_ones_that_there_are(line: str) -> None:
    words = line.split()
    if words[0] == "make":
        subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, check=True)
        return
    assert words[0] == "duihua", line
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        code = run([*words[1:], "--help"])  # a flag that is not known is refused before help is shown
    assert code == 0, said.getvalue()


# The two languages


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 190


def test_every_page_for_users_is_there_in_both_languages() -> None:
    alone = {page.name for page in PAGES} - {page.name for pair in TWINS for page in pair}
    assert alone == IN_ENGLISH_ONLY


def parts(page: Path) -> list[str]:
    """The headings, paragraphs, items of lists and rows of tables, without the line that leads to the other language."""
    text = re.sub(r"^\[(中文|English)\]\(.+\)\n", "", prose(page), count=1, flags=re.MULTILINE)
    return [part for part in re.split(r"\n\s*\n|\n(?=[|]|- |\d+\. )", text) if part.strip()]


def shape(part: str) -> tuple[int, int, list[str], set[str]]:
    """What a translation keeps: the level of a heading, the cells of a row, the links, and code that is one word."""
    heading = re.match(r"#*", part.strip())
    links = [link.replace(".zh.md", ".md") for link in re.findall(r"\]\(([^)]+)\)", part)]
    words = {code for code in re.findall(r"`([^`]+)`", part) if re.fullmatch(r"[!-~]+", code)}
    return len(heading[0]) if heading else 0, part.count("|") if part.lstrip().startswith("|") else 0, links, words


@pytest.mark.parametrize(("page", "twin"), TWINS, ids=lambda page: page.name)
def test_the_chinese_page_has_the_same_sections_paragraphs_tables_links_and_names(page: Path, twin: Path) -> None:
    assert len(parts(twin)) == len(parts(page))
    for ours, theirs in zip(parts(page), parts(twin), strict=True):
        assert shape(theirs) == shape(ours), theirs


def told(block: Block) -> tuple[str, str]:
    """The code without what is said in it: strings and comments may be in the page's language."""
    without = r'"""[^"]*"""|"[^"\n]*"|#.*'
    return block.language, re.sub(without, "", block.text) if block.language != "text" else ""


@pytest.mark.parametrize(("page", "twin"), TWINS, ids=lambda page: page.name)
def test_the_chinese_page_shows_the_same_code(page: Path, twin: Path) -> None:
    assert [told(block) for block in blocks(twin)] == [told(block) for block in blocks(page)]
    assert page != README or [block[:2] for block in blocks(README_ZH)] == [block[:2] for block in blocks(README)]


@pytest.mark.parametrize(("page", "twin"), TWINS, ids=lambda page: page.name)
def test_a_page_leads_to_its_twin_and_a_chinese_page_to_chinese_ones(page: Path, twin: Path) -> None:
    assert page.read_text("utf-8").splitlines()[2] == f"[中文]({twin.name})"
    assert twin.read_text("utf-8").splitlines()[2] == f"[English]({page.name})"
    in_english = {english.resolve() for english, _ in TWINS} - {page.resolve()}
    assert not [
        link for link in re.findall(r"\]\(([^)#]+)", prose(twin)) if (twin.parent / link).resolve() in in_english
    ]


@pytest.mark.parametrize("page", [twin for _, twin in TWINS], ids=lambda page: page.name)
def test_no_chinese_word_is_broken_at_the_end_of_a_line(page: Path) -> None:
    assert not re.findall(r"[\u4e00-\u9fff]\n *[\u4e00-\u9fff]", prose(page))  # Markdown shows it as a blank


# What the pages point to


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", prose(page)):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        headings = re.findall(r"^#+ (.+)$", prose(target), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_modules_that_are_named_are_there(page: Path) -> None:
    rooms = {path.stem for path in SRC.iterdir()}
    for quoted in re.findall(r"`([^`\n]+)`", prose(page)):
        if re.fullmatch(r"(src|tests|docs|benchmarks|demo)/[\w./]*", quoted):
            assert (ROOT / quoted).exists(), quoted
        elif re.fullmatch(r"[a-z_]+/[\w/]*(\.py)?", quoted) and quoted.partition("/")[0] in rooms:
            assert (SRC / quoted).exists(), quoted
        elif re.fullmatch(r"[a-z]+(\.[a-z_]+)+", quoted) and quoted.partition(".")[0] in rooms - {"config", "demo"}:
            path = SRC.joinpath(*quoted.split("."))
            assert path.is_dir() or path.with_suffix(".py").exists(), quoted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_that_are_named_are_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = re.findall(r"`make ([a-z-]+)", prose(page))
    named += [target for block in blocks(page) for target in re.findall(r"^make ([a-z-]+)", block.text, re.MULTILINE)]
    assert set(named) <= targets


# The picture of the floors


def test_the_picture_of_the_floors_is_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    stated = {room.strip(): floor for floor, layer in enumerate(reversed(layers), 1) for room in layer.split("|")}
    drawn = re.findall(
        r"^ ?(\d+)  (\w+)(/|\.py) ", (ROOT / "docs" / "architecture.md").read_text("utf-8"), re.MULTILINE
    )
    assert {room: int(floor) for floor, room, _ in drawn} == stated
    assert all((SRC / f"{room}{ending}").exists() for _, room, ending in drawn)
