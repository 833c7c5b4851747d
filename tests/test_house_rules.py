"""Rules of the house that no linter knows. An exception is a line in a table here, with its reason."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from duihua import errors

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "duihua"
TESTS = ROOT / "tests"

MODULE_LINES = 400
FUNCTION_LINES = 50
EXCUSED_SIZES: dict[str, str] = {}  # "path" or "path:function" -> why it is longer

JUNK_DRAWERS = {"base", "common", "helper", "helpers", "lib", "manager", "misc", "shared", "stuff", "util", "utils"}
HEAVY = ("torch", "transformers", "tokenizers", "vllm", "numpy", "safetensors", "huggingface_hub", "jinja2", "PIL")

DECIDING_CALLS = {"startswith", "endswith", "removeprefix", "removesuffix", "find", "index", "match", "search"}
MODEL_NAME = re.compile(r"(?i)(glm|qwen|llama|mistral|deepseek|gemma|baichuan|internlm)")

# src modules that are parts of another one -> the test file of the seam they are tested through.
TESTED_THROUGH = {
    "api/arguments.py": "api/test_model.py",
    "api/compose.py": "api/test_model.py",
    "api/how.py": "api/test_tools.py",
    "api/load.py": "api/test_model.py",
    "api/turns.py": "api/test_model.py",
    "chat/answer.py": "chat/test_chat.py",
    "chat/choices.py": "chat/test_chat.py",
    "chat/plans.py": "chat/test_stages.py",
    "cli/flag.py": "cli/test_flags.py",
    "cli/tool_flags.py": "cli/test_flags.py",
    "engine/admission.py": "engine/contract.py",
    "engine/ebnf.py": "grammar/test_lowering.py",
    "engine/vllm/grammars.py": "engine/vllm/test_engine.py",
    "engine/vllm/launch.py": "engine/vllm/test_processes.py",
    "engine/transformers/batch.py": "engine/transformers/test_scheduler.py",
    "engine/transformers/outbox.py": "engine/transformers/test_engine.py",
    "engine/transformers/track.py": "engine/transformers/test_scheduler.py",
    "engine/transformers/worker.py": "engine/transformers/test_engine.py",
    "families/family.py": "families/test_catalogue.py",
    "grammar/kinds.py": "grammar/test_lowering.py",
    "grammar/keywords.py": "grammar/test_lowering.py",
    "grammar/shapes.py": "grammar/test_lowering.py",
    "prompt/built.py": "prompt/test_encoder.py",
    "prompt/exchanges.py": "prompt/test_window.py",
    "prompt/layout.py": "prompt/test_encoder.py",
    "prompt/literals.py": "prompt/test_encoder.py",
    "prompt/opening.py": "chat/test_chat.py",
    "prompt/template.py": "prompt/test_encoder.py",
    "tools/sandbox/inside.py": "tools/test_interpreter.py",
    "tools/sandbox/kernel.py": "tools/sandbox/test_confine.py",
    "tools/tool.py": "tools/test_function.py",
    "web/layout.py": "web/test_page.py",
}
# test files that mirror no module -> what they are about.
ABOUT_NO_MODULE = {
    "test_docs.py": "the documentation",
    "test_house_rules.py": "the rules",
    "api/test_exports.py": "the public surface, src/duihua/__init__.py",
    "chat/test_conversation_tools.py": "tools in a conversation, chat/conversation.py",
    "chat/test_images.py": "pictures through a chat and a conversation",
    "checkpoint/test_models_page.py": "docs/models.md",
    "prompt/test_window_images.py": "pictures in the window, prompt/window.py",
    "server/test_picture_urls.py": "pictures that a server fetches, server/pictures.py",
    "server/test_picture_work.py": "what pictures cost at once, server/pictures.py",
    "demo/test_bundled.py": "the bundled demo's files and what it can do",
    "demo/vision/test_bundled.py": "the files and figures of the bundled demo that sees",
    "demo/test_tools.py": "the tools of the recipe, demo/tools/",
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def modules(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def files_of_the_project() -> list[Path]:
    """Tracked files and those about to be; the text ones."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("this is no git checkout")
    paths = [ROOT / line for line in listed.stdout.splitlines()]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:4096]]


# Sizes and names


def test_modules_and_functions_stay_short() -> None:
    too_long: dict[str, int] = {}
    for path in modules(SRC, TESTS, ROOT / "benchmarks", ROOT / "demo"):
        too_long[named(path)] = len(path.read_text("utf-8").splitlines()) - MODULE_LINES
        for function in functions(path):
            size = (function.end_lineno or 0) - function.lineno + 1
            too_long[f"{named(path)}:{function.name}"] = size - FUNCTION_LINES
    assert {name for name, excess in too_long.items() if excess > 0} == set(EXCUSED_SIZES)


def test_no_name_is_a_junk_drawer() -> None:
    found = modules(SRC, TESTS, ROOT / "benchmarks", ROOT / "demo")
    parts = {part for path in found for part in path.relative_to(ROOT).with_suffix("").parts}
    junk = {
        part for part in parts if part.strip("_") in JUNK_DRAWERS or part.endswith(("_utils", "_helpers", "_manager"))
    }
    assert not junk


# What a module offers


def offered(path: Path) -> list[str] | None:
    """The names in a module's `__all__`; None where it has none."""
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return list(ast.literal_eval(node.value))
    return None


def bound(body: list[ast.stmt]) -> set[str]:
    """The names that statements at the top of a module bind."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        elif isinstance(node, ast.If):
            names |= bound(node.body) | bound(node.orelse)
    return names


def as_ruff_sorts(name: str) -> tuple[bool, bool, list[str | int]]:
    """Constants, then classes, then the rest; numbers in names by their value (rule RUF022)."""
    parts = [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
    return not name.isupper(), not name[0].isupper(), parts


def test_every_module_says_what_it_offers_and_has_it() -> None:
    for path in modules(SRC):
        if path.name == "__main__.py" or not bound(tree(path).body):
            continue
        names = offered(path)
        assert names is not None, f"{named(path)} has no __all__"
        assert not set(names) - bound(tree(path).body), f"{named(path)} offers what it has not"
        assert names == sorted(names, key=as_ruff_sorts), f"{named(path)}: sort it"


def test_modules_take_from_each_other_only_what_is_offered() -> None:
    taken: list[str] = []
    for path in modules(SRC, ROOT / "benchmarks", ROOT / "demo"):
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("duihua"):
                continue
            home = SRC.parent.joinpath(*(node.module or "").split("."))
            source = home / "__init__.py" if home.is_dir() else home.with_suffix(".py")
            for alias in node.names:
                is_module = home.is_dir() and (home / alias.name).with_suffix(".py").exists()
                if not is_module and alias.name not in (offered(source) or ()):
                    taken.append(f"{named(path)}:{node.lineno} takes {alias.name} from {node.module}")
    assert not taken, "\n".join(taken)


def test_annotations_are_not_evaluated_at_import() -> None:
    for path in modules(SRC):
        if any(functions(path)):
            imports = [node for node in tree(path).body if isinstance(node, ast.ImportFrom)]
            assert any(node.module == "__future__" for node in imports), (
                f"{named(path)}: from __future__ import annotations"
            )


# Where things may be said


def compared(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions that code decides by."""
    if isinstance(node, ast.Compare):
        yield from (node.left, *node.comparators)
    elif isinstance(node, ast.MatchValue):
        yield node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DECIDING_CALLS:
        yield from node.args


def test_models_are_told_apart_by_name_in_families_only() -> None:
    found: list[str] = []
    for path in modules(SRC):
        if not path.is_relative_to(SRC / "families"):
            expressions = (expression for node in ast.walk(tree(path)) for expression in compared(node))
            parts = (part for expression in expressions for part in ast.walk(expression))
            texts = (part for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))
            found += [f"{named(path)}:{text.lineno}" for text in texts if MODEL_NAME.search(str(text.value))]
    assert not found, found


def test_only_config_reads_the_environment() -> None:
    readers: set[str] = set()
    for path in modules(SRC):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute):
                names = {node.attr}
            elif isinstance(node, ast.ImportFrom) and node.module == "os":
                names = {alias.name for alias in node.names}
            else:
                continue
            if names & {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}:
                readers.add(named(path))
    # vLLM takes some of its settings only from there, and passes them to its processes so.
    assert readers == {"src/duihua/config.py", "src/duihua/engine/vllm/processes.py"}


def is_private(host: str) -> bool:
    """Whether an address means something on one network only; this machine itself is everywhere."""
    is_number = re.fullmatch(r"[\d.]+", host) is not None and not host.startswith("127")
    return is_number or host.endswith((".internal", ".lan", ".local"))


def test_no_file_names_a_place_on_somebody_s_machine() -> None:
    homes = "|".join(("home", "root", "Users", "work", "opt", "mnt", "srv"))
    pattern = re.compile(rf"(?<![\w.~/\]\)}}-])/(?:{homes})/[\w.-]+")
    found: list[str] = []
    for path in files_of_the_project():
        text = path.read_text("utf-8", errors="replace")
        found += [f"{named(path)}: {match[0]}" for match in pattern.finditer(text)]
        found += [f"{named(path)}: {host}" for host in re.findall(r"https?://([\w.-]+)", text) if is_private(host)]
    assert not found, "\n".join(found)


# Lightness and floors


def imported_by(*arguments: str) -> set[str]:
    """The modules that a Python process imports, by its own report."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, encoding="utf-8", check=True
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    "arguments", [("-c", "import duihua"), ("-m", "duihua", "--help"), ("-m", "duihua", "--version")]
)
def test_nothing_heavy_is_imported_before_it_is_used(arguments: tuple[str, ...]) -> None:
    imported = imported_by(*arguments)
    assert "duihua" in imported
    assert not [name for name in imported if name.partition(".")[0] in HEAVY]


def test_the_floors_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# Errors


def drawn_tree() -> dict[str, str | None]:
    """Each error of the tree in the docstring of errors.py, and what it is drawn under."""
    parents: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for indent, name in re.findall(r"^( {4,})([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE):
        while above and above[-1][0] >= len(indent):
            above.pop()
        parents[name] = above[-1][1] if above else None
        above.append((len(indent), name))
    return parents


def test_every_error_is_drawn_in_the_tree_where_it_is_derived() -> None:
    classes = [node for node in tree(SRC / "errors.py").body if isinstance(node, ast.ClassDef)]
    derived = {node.name: ast.unparse(node.bases[0]) for node in classes}
    assert derived.pop("DuihuaError") == "Exception"
    drawn = drawn_tree()
    assert drawn.pop("DuihuaError") is None
    assert drawn == derived


# Tests


def has_logic(path: Path) -> bool:
    """Whether a module does anything: a function that is more than a protocol's `...`, or a method."""
    return any(
        not (isinstance(last := function.body[-1], ast.Expr) and isinstance(last.value, ast.Constant))
        for function in functions(path)
    )


def test_every_module_with_logic_has_a_test_file_in_the_same_place() -> None:
    missing: set[str] = set()
    for path in modules(SRC):
        if path.name in ("__init__.py", "__main__.py") or not has_logic(path):
            continue
        relative = path.relative_to(SRC)
        if not (TESTS / relative.with_name(f"test_{relative.name}")).exists():
            missing.add(relative.as_posix())
    assert missing == set(TESTED_THROUGH)
    assert not [test for test in TESTED_THROUGH.values() if not (TESTS / test).exists()]


def test_every_test_file_is_about_a_module() -> None:
    for path in TESTS.rglob("test_*.py"):
        relative = path.relative_to(TESTS)
        if relative.parts[0] == "e2e":  # whole chains, through every room
            continue
        module = SRC / relative.with_name(relative.name.removeprefix("test_"))
        beside = ROOT / relative.with_name(relative.name.removeprefix("test_"))  # tests/demo mirrors demo/
        is_mirror = module.exists() or beside.exists()
        assert is_mirror != (relative.as_posix() in ABOUT_NO_MODULE), relative
