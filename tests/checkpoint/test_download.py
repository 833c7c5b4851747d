"""Downloads from a hub of our own on loopback."""

import subprocess
import sys
from pathlib import Path

import pytest

from checkpoint.adapter_layouts import write_adapter
from checkpoint.fake_hub import COMMIT, fake_hub
from checkpoint.layouts import glm4
from duihua.checkpoint.download import Fetch
from duihua.checkpoint.locate import locate, locate_adapter
from duihua.checkpoint.read import read
from duihua.errors import AdapterRejected, ModelNotFound, UnsupportedModel

WANTED = {
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "tokenizer.json",
    "chat_template.jinja",
    "model.safetensors",
}
UNWANTED = {"README.md", "pytorch_model.bin", "modeling_x.py", "onnx/model.safetensors", "consolidated.safetensors"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = glm4(tmp_path_factory.mktemp("hub") / "tiny")
    return {file.name: file.read_bytes() for file in path.iterdir()} | dict.fromkeys(UNWANTED, b"unwanted")


def test_what_is_needed_comes_and_nothing_else(tmp_path: Path, files: dict[str, bytes]) -> None:
    with fake_hub("org/tiny", files) as hub:
        located = locate("org/tiny", fetch=Fetch(endpoint=hub.address, cache_dir=tmp_path))
    assert hub.sent == WANTED
    assert (located.name, located.origin) == ("org/tiny", "huggingface")
    assert read(located).family.name == "glm4"


def test_code_comes_only_when_it_is_trusted(tmp_path: Path, files: dict[str, bytes]) -> None:
    with fake_hub("org/tiny", files) as hub:
        locate("org/tiny", fetch=Fetch(endpoint=hub.address, cache_dir=tmp_path, trust_remote_code=True))
    assert hub.sent == WANTED | {"modeling_x.py"}


def test_pickles_come_only_when_allowed_and_needed(tmp_path: Path, files: dict[str, bytes]) -> None:
    with fake_hub("org/tiny", files) as hub:
        locate("org/tiny", fetch=Fetch(endpoint=hub.address, cache_dir=tmp_path / "a", allow_pickle=True))
        assert "pytorch_model.bin" not in hub.sent
    pickled = {name: content for name, content in files.items() if not name.endswith(".safetensors")}
    with fake_hub("org/tiny", pickled) as hub:
        fetch = Fetch(endpoint=hub.address, cache_dir=tmp_path / "b")
        with pytest.raises(UnsupportedModel, match=r"org/tiny has its weights only as pickles \(pytorch_model\.bin\)"):
            locate("org/tiny", fetch=fetch)
        assert "pytorch_model.bin" not in hub.sent
        allowed = Fetch(endpoint=hub.address, cache_dir=tmp_path / "b", allow_pickle=True)
        located = locate("org/tiny", fetch=allowed)
        assert "pytorch_model.bin" in hub.sent
    assert read(located, allow_pickle=True).allow_pickle


def test_progress_goes_from_nothing_to_all(tmp_path: Path, files: dict[str, bytes]) -> None:
    seen: list[tuple[str, float]] = []
    with fake_hub("org/tiny", files) as hub:
        fetch = Fetch(endpoint=hub.address, cache_dir=tmp_path)
        locate("org/tiny", fetch=fetch, on_progress=lambda stage, done: seen.append((stage, done)))
    fractions = [done for _, done in seen]
    assert {stage for stage, _ in seen} == {"download"}
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert fractions == sorted(fractions)
    assert len(fractions) > 3


def test_the_second_time_nothing_is_sent(tmp_path: Path, files: dict[str, bytes]) -> None:
    seen: list[float] = []
    with fake_hub("org/tiny", files) as hub:
        fetch = Fetch(endpoint=hub.address, cache_dir=tmp_path)
        locate("org/tiny", fetch=fetch)
        hub.asked.clear()
        locate("org/tiny", fetch=fetch, on_progress=lambda _, done: seen.append(done))
        assert (hub.sent, seen) == (set(), [])


def test_the_cache_does_without_the_network(tmp_path: Path, files: dict[str, bytes]) -> None:
    with fake_hub("org/tiny", files) as hub:
        fetch = Fetch(endpoint=hub.address, cache_dir=tmp_path)
        first = locate("org/tiny", fetch=fetch)
    assert locate("org/tiny", fetch=fetch, on_progress=lambda *_: None) == first
    assert locate("org/tiny", fetch=Fetch(offline=True, cache_dir=tmp_path)) == first


def test_without_a_network_the_error_says_how_to_pass_a_directory(tmp_path: Path, files: dict[str, bytes]) -> None:
    with fake_hub("org/tiny", files) as hub:
        pass
    with pytest.raises(ModelNotFound, match=r"cannot be reached.*HF_ENDPOINT.*directory .*\./name"):
        locate("org/tiny", fetch=Fetch(endpoint=hub.address, cache_dir=tmp_path))
    with pytest.raises(ModelNotFound, match=r"offline mode is on.*\./name"):
        locate("org/tiny", fetch=Fetch(offline=True, cache_dir=tmp_path))


def test_a_revision_is_asked_for_by_name_or_commit(tmp_path: Path, files: dict[str, bytes]) -> None:
    with fake_hub("org/tiny", files) as hub:
        fetch = Fetch(endpoint=hub.address, cache_dir=tmp_path, revision=COMMIT)
        assert locate("org/tiny", fetch=fetch).path.name == COMMIT
        with pytest.raises(ModelNotFound, match="org/tiny has no revision 'v9'"):
            locate("org/tiny", fetch=Fetch(endpoint=hub.address, cache_dir=tmp_path / "b", revision="v9"))


def test_a_model_that_is_not_there_is_named(tmp_path: Path, files: dict[str, bytes]) -> None:
    with (
        fake_hub("org/tiny", files) as hub,
        pytest.raises(ModelNotFound, match=r"has no model org/other, or it is private.*hf auth login.*\./name"),
    ):
        locate("org/other", fetch=Fetch(endpoint=hub.address, cache_dir=tmp_path))


def test_a_gated_model_says_where_to_accept_its_terms(tmp_path: Path, files: dict[str, bytes]) -> None:
    with (
        fake_hub("org/tiny", files, gated=True) as hub,
        pytest.raises(ModelNotFound, match=r"accept them at http://127\.0\.0\.1:\d+/org/tiny"),
    ):
        locate("org/tiny", fetch=Fetch(endpoint=hub.address, cache_dir=tmp_path))


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        fake_hub("org/tiny", files) as hub,
        pytest.raises(ModelNotFound, match="org/tiny could not be downloaded"),
    ):
        locate("org/tiny", fetch=Fetch(endpoint=hub.address, cache_dir=tmp_path / "file"))


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def test_the_hubs_own_variables_are_honoured(tmp_path: Path, files: dict[str, bytes]) -> None:
    code = "from duihua.checkpoint import locate; print(locate('org/tiny').path)"
    with fake_hub("org/tiny", files) as hub:
        online = run(code, HF_HOME=str(tmp_path), HF_ENDPOINT=hub.address)
    assert Path(online.stdout.strip()).is_relative_to(tmp_path), online.stderr
    offline = run(code, HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1")
    assert offline.stdout == online.stdout, offline.stderr


STAND_IN = """
from modelscope.hub.errors import NotExistError

def snapshot_download(model_id, *, revision, cache_dir, local_files_only, allow_patterns, ignore_patterns):
    if model_id != "org/tiny" or "*.py" in allow_patterns:
        raise NotExistError("not there")
    return "/models/tiny"
"""
ERRORS = "".join(
    f"class {name}(Exception): ...\n" for name in ("FileDownloadError", "NotExistError", "NotLoginException")
)
ASK = """
from pathlib import Path
from duihua.checkpoint.download import Fetch, fetch_modelscope
print(fetch_modelscope("org/tiny", Fetch()))
try:
    fetch_modelscope("org/other", Fetch())
except Exception as error:
    print(type(error).__name__, error)
"""


def test_modelscope_is_asked_as_its_package_wants_it(tmp_path: Path) -> None:
    """With a stand-in for the package; its signature and error names are those of modelscope 1.40."""
    hub = tmp_path / "modelscope" / "hub"
    hub.mkdir(parents=True)
    (hub.parent / "__init__.py").write_text(STAND_IN, encoding="utf-8")
    (hub / "__init__.py").write_text("", encoding="utf-8")
    (hub / "errors.py").write_text(ERRORS, encoding="utf-8")
    first, second = run(ASK, PYTHONPATH=str(tmp_path)).stdout.splitlines()
    assert first == "/models/tiny"
    assert second.startswith("ModelNotFound modelscope:org/other could not be downloaded (not there)")


@pytest.fixture
def adapter(tmp_path: Path) -> dict[str, bytes]:
    base = str(glm4(tmp_path / "base"))
    path = write_adapter(tmp_path / "adapter", base_model_name_or_path=base)
    return {file.name: file.read_bytes() for file in path.iterdir()} | {"README.md": b"x", "checkpoint-1/x.json": b"x"}


def test_a_repository_may_hold_an_adapter(tmp_path: Path, adapter: dict[str, bytes]) -> None:
    with fake_hub("org/pirate", adapter) as hub:
        located = locate("org/pirate", fetch=Fetch(endpoint=hub.address, cache_dir=tmp_path / "cache", revision=COMMIT))
    assert hub.sent == {"adapter_config.json", "adapter_model.safetensors"}
    assert (located.name, located.adapter_name) == ("base", "pirate")
    assert located.adapter is not None
    assert (located.adapter / "adapter_config.json").is_file()


def test_an_adapter_of_a_repository_comes_without_what_else_it_holds(tmp_path: Path, adapter: dict[str, bytes]) -> None:
    whole = adapter | {"model.safetensors": b"unwanted", "tokenizer.json": b"unwanted"}
    with fake_hub("org/pirate", whole) as hub:
        path = locate_adapter("org/pirate", fetch=Fetch(endpoint=hub.address, cache_dir=tmp_path / "cache"))
    assert hub.sent == {"adapter_config.json", "adapter_model.safetensors"} == {file.name for file in path.iterdir()}


def test_a_pickled_adapter_does_not_come(tmp_path: Path, adapter: dict[str, bytes]) -> None:
    pickled = {"adapter_config.json": adapter["adapter_config.json"], "adapter_model.bin": b"unwanted"}
    with fake_hub("org/pirate", pickled) as hub:
        fetch = Fetch(endpoint=hub.address, cache_dir=tmp_path / "cache", allow_pickle=True)
        with pytest.raises(AdapterRejected, match="org/pirate has its weights only as a pickle"):
            locate("org/pirate", fetch=fetch)
        with pytest.raises(AdapterRejected, match="org/pirate has its weights only as a pickle"):
            locate_adapter("org/pirate", fetch=fetch)
    assert "adapter_model.bin" not in hub.sent
