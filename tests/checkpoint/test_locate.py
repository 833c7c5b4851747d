import os
from pathlib import Path

import pytest

from checkpoint.adapter_layouts import WEIGHTS, write_adapter
from checkpoint.layouts import glm4, write_json
from duihua.checkpoint.adapters import check_fit, read_adapter
from duihua.checkpoint.download import Fetch
from duihua.checkpoint.locate import Located, bundled_names, locate, locate_adapter
from duihua.checkpoint.read import read
from duihua.errors import (
    AdapterRejected,
    ConfigError,
    DuihuaError,
    ModelLoadFailed,
    ModelNotFound,
    UnsupportedModel,
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def offline(tmp_path: Path) -> Fetch:
    return Fetch(offline=True, cache_dir=tmp_path / "cache")


def test_an_explicit_directory_is_taken(here: Path) -> None:
    path = glm4(here / "my model")
    for said in ("./my model", str(path), f"{path}/", "../" + here.name + "/my model"):
        found = locate(said)
        assert (found.path, found.name, found.origin) == (path, "my model", "directory")


def test_home_is_understood(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    assert locate("~/m" if glm4(here / "m") else "").path == here / "m"


def test_the_directory_one_stands_in_is_a_directory(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(glm4(here / "m"))
    assert locate(".").name == "m"


def test_a_bare_name_is_a_directory_when_it_holds_a_checkpoint(here: Path) -> None:
    assert locate(str(glm4(here / "demo").name)).origin == "directory"
    glm4(here / "org" / "name")
    assert locate("org/name").origin == "directory"


def test_a_bare_name_without_a_checkpoint_means_something_else(here: Path, offline: Fetch) -> None:
    (here / "org" / "name").mkdir(parents=True)
    with pytest.raises(ModelNotFound, match="not complete in the cache"):
        locate("org/name", fetch=offline)


def test_an_alias_stands_for_any_other_form(here: Path) -> None:
    path = glm4(here / "m")
    found = locate("mine", aliases={"mine": str(path)})
    assert (found.path, found.name, found.origin) == (path, "m", "alias")
    with pytest.raises(ModelNotFound, match="org/name"):
        locate("mine", aliases={"mine": "org/name"}, fetch=Fetch(offline=True, cache_dir=here / "cache"))


def test_an_alias_may_have_the_name_of_what_it_stands_for(here: Path, offline: Fetch) -> None:
    with pytest.raises(ModelNotFound, match="org/name is not complete"):
        locate("org/name", aliases={"org/name": "org/name"}, fetch=offline)


def test_a_file_of_the_same_name_does_not_hide_an_alias(here: Path) -> None:
    path = glm4(here / "m")
    (here / "mine").write_bytes(b"x")
    assert locate("mine", aliases={"mine": str(path)}).path == path


def test_aliases_may_follow_each_other_but_not_in_a_circle(here: Path) -> None:
    path = glm4(here / "m")
    assert locate("a", aliases={"a": "b", "b": str(path)}).path == path
    with pytest.raises(ModelNotFound, match="called 'a'"):
        locate("a", aliases={"a": "b", "b": "a"})


def test_nothing_means_the_demo() -> None:
    assert "demo" in bundled_names()
    found = locate(None)
    assert (found.name, found.origin) == ("demo", "bundled")
    assert found == locate("demo")


@pytest.mark.parametrize("address", ["http://localhost:8000/v1", "https://api.example.com/v1"])
def test_an_address_is_refused_by_name(address: str) -> None:
    with pytest.raises(UnsupportedModel, match="remote endpoint is not in this version"):
        locate(address)


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("m.gguf", r"llama\.cpp.*Hugging Face checkpoint"),
        ("model.safetensors", "pass its directory, "),
        ("pytorch_model.bin", "pass its directory, "),
        ("config.json", "pass its directory, "),
        ("m.tar.gz", "unpack it"),
        ("notes.txt", "pass the directory of a checkpoint in Hugging Face format"),
    ],
)
def test_a_file_is_named_for_what_it_is(here: Path, file: str, why: str) -> None:
    (here / file).write_bytes(b"x")
    for said in (f"./{file}", file):
        with pytest.raises(UnsupportedModel, match=why):
            locate(said)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("./glm-4-9b-caht", r"no directory \./glm-4-9b-caht: did you mean glm-4-9b-chat\?"),
        ("./zzz", r"no directory \./zzz: check the path"),
        ("/no/such/place", "nor /no/such: check the path"),
        ("glm-4-9b-cha", r"did you mean \./glm-4-9b-chat\?"),
        ("mime", r"did you mean mine\?"),
        ("zzz", r"called 'zzz': Pass a directory \(\./name\), a Hugging Face id \(org/name\)"),
        ("a/b/c", "called 'a/b/c'"),
        ("org/na me", "no id of the form org/name"),
        ("/", "holds no config.json"),
        ("  ", "name is empty"),
        ("~nobody-of-this-name/m", "no directory ~nobody-of-this-name/m"),
        ("a" * 5000, "no directory, alias or bundled model"),
        ("./" + "a" * 5000, "no directory"),
    ],
)
def test_what_is_not_there_is_said_with_the_nearest(here: Path, said: str, why: str) -> None:
    glm4(here / "glm-4-9b-chat")
    with pytest.raises(ModelNotFound, match=why):
        locate(said, aliases={"mine": "./m"})


def test_a_checkpoint_further_down_is_pointed_at(here: Path) -> None:
    path = glm4(here / "models--org--name" / "snapshots" / "0123")
    with pytest.raises(ModelNotFound, match=r"did you mean .*snapshots/0123\?"):
        locate("./models--org--name/snapshots")
    with pytest.raises(ModelNotFound, match=r"did you mean .*snapshots/0123\?"):
        locate("./models--org--name")
    with pytest.raises(ModelNotFound, match=r"holds config\.json and the weights"):
        locate(str(here / "empty") if not (here / "empty").mkdir() else "")
    assert path.is_dir()


def where(found: Located) -> tuple[str, str | None, Path | None]:
    return found.name, found.adapter_name, found.adapter


def test_an_adapter_is_its_base_with_itself_beside_it(here: Path) -> None:
    base = glm4(here / "m")
    path = write_adapter(here / "my pirate", base_model_name_or_path=str(base))
    for said in ("./my pirate", "my pirate", str(path)):
        assert where(locate(said)) == ("m", "my-pirate", path)
        assert locate(said).path == base


@pytest.mark.parametrize("recorded", ["m", "./m", "../here/m", "base-of-mine", "a"])
def test_a_base_is_a_directory_here_or_beside_the_adapter_or_an_alias(here: Path, recorded: str) -> None:
    glm4(here / "m")
    glm4(here / "lora" / "base-of-mine")
    (here / "here").symlink_to(here)
    path = write_adapter(here / "lora", base_model_name_or_path=recorded)
    found = locate("./lora", aliases={"a": "./m"})
    assert found.name == ("base-of-mine" if recorded == "base-of-mine" else "m")
    assert found.adapter == path


def test_a_bundled_base_is_known_by_its_name(here: Path) -> None:
    path = write_adapter(here / "pirate", base_model_name_or_path="demo")
    found = locate("pirate")
    assert (*where(found), found.origin) == ("demo", "pirate", path, "bundled")
    by_alias = locate("mine", aliases={"mine": "./pirate", "demo": "./none"})
    assert (*where(by_alias), by_alias.path) == ("demo", "pirate", path, found.path)


def test_a_base_that_is_given_goes_before_the_one_recorded(here: Path) -> None:
    glm4(here / "m")
    path = write_adapter(here / "lora", base_model_name_or_path="org/far-away")
    for base in ("./m", " m ", "mine"):
        assert where(locate("./lora", base=base, aliases={"mine": "./m"})) == ("m", "lora", path)
    with pytest.raises(ModelNotFound, match=r"no directory \./none"):
        locate("./lora", base="./none")


@pytest.mark.parametrize(
    ("recorded", "why"),
    [
        ("/data/glm-4-9b", "no directory /data/glm-4-9b"),
        ("glm-4-9b", "called 'glm-4-9b'"),
        ("org/base", "org/base is not complete in the cache"),
        ("https://example.com", "is an address"),
    ],
)
def test_a_base_that_is_not_here_is_named_with_its_adapter_and_the_cure(
    here: Path, offline: Fetch, recorded: str, why: str
) -> None:
    path = write_adapter(here / "lora", base_model_name_or_path=recorded)
    with pytest.raises(ModelNotFound, match=rf"{path} is a LoRA adapter on {recorded}, .*with --base .*{why}"):
        locate("./lora", fetch=offline)


def test_what_cannot_be_a_base_is_refused(here: Path) -> None:
    glm4(here / "m")
    write_adapter(here / "first", base_model_name_or_path="./m")
    write_adapter(here / "second", base_model_name_or_path="./first")
    write_adapter(here / "third", base_model_name_or_path=None)
    with pytest.raises(AdapterRejected, match=r"base of second, first, is an adapter itself"):
        locate("./second")
    with pytest.raises(AdapterRejected, match=r"third is a LoRA adapter that does not record its base: .*--base"):
        locate("./third")
    with pytest.raises(ConfigError, match=r"m is a whole model"):
        locate("./m", base="./m")


def test_a_broken_adapter_is_told_before_its_base_is_looked_for(here: Path, offline: Fetch) -> None:
    (write_adapter(here / "lora") / WEIGHTS).write_bytes(b"x")
    with pytest.raises(AdapterRejected, match=WEIGHTS):
        locate("./lora", fetch=offline)


def test_adapters_further_down_are_pointed_at(here: Path) -> None:
    write_adapter(here / "out" / "checkpoint-5")
    write_adapter(here / "out" / "checkpoint-40")
    with pytest.raises(ModelNotFound, match=r"did you mean the adapter .*checkpoint-40\?"):
        locate("./out")


def test_an_adapter_to_load_is_a_directory_before_it_is_an_id(here: Path, offline: Fetch) -> None:
    path = write_adapter(here / "out" / "checkpoint-5")
    assert locate_adapter("out/checkpoint-5") == path
    for said in ("out/checkpoint-6", "./none", "none", "a/b/c"):
        assert locate_adapter(said, fetch=offline) == Path(said)
    with pytest.raises(AdapterRejected, match="org/name is not complete in the cache"):
        locate_adapter("org/name", fetch=offline)
    assert locate_adapter("org/name") == Path("org/name")


@pytest.mark.parametrize("name", bundled_names())
def test_every_bundled_name_can_be_found(name: str) -> None:
    found = locate(name)
    assert name in (found.name, found.adapter_name)
    if found.adapter is not None:
        assert locate_adapter(name) == found.adapter
        check_fit(read_adapter(found.adapter), read(found))


def test_a_model_beside_an_adapter_is_the_model(here: Path) -> None:
    write_json(glm4(here / "m") / "adapter_config.json", {})
    assert locate("./m").name == "m"


def test_modelscope_without_its_package_says_what_to_install() -> None:
    with pytest.raises(ModelNotFound, match=r"pip install 'duihua\[modelscope\]'"):
        locate("modelscope:ZhipuAI/glm-4-9b-chat-hf")


@pytest.mark.parametrize("said", ["modelscope:", "modelscope:name", "modelscope:a/b/c"])
def test_modelscope_needs_an_id(said: str) -> None:
    with pytest.raises(DuihuaError, match="no id of the form org/name"):
        locate(said)


def test_links_in_a_circle_are_no_directory(here: Path) -> None:
    (here / "m").symlink_to("m")
    with pytest.raises(ModelNotFound, match=r"no directory \./m"):
        locate("./m")
    with pytest.raises(ModelNotFound, match="called 'm'"):
        locate("m")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is forbidden to this user")
def test_a_directory_that_may_not_be_read_is_told(here: Path) -> None:
    path = glm4(here / "m")
    path.chmod(0)
    try:
        with pytest.raises(ModelLoadFailed, match=r"directory \./m may not be read: check its permissions"):
            locate("./m")
        with pytest.raises(ModelNotFound, match="called 'm'"):
            locate("m")
    finally:
        path.chmod(0o700)
